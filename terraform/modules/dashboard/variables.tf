variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "metrics_namespace" {
  description = "CloudWatch's namespace of the program's metrics."
  type        = string
}

variable "cluster" {
  description = "The cluster's name."
  type        = string
}

variable "services" {
  description = "The services' names, by role."
  type        = map(string)
}

variable "load_balancer" {
  description = "The public load balancer, as CloudWatch calls it."
  type        = string
}

variable "stream" {
  description = "The stream."
  type        = string
}

variable "fan_out_consumer" {
  description = "The stream's consumer, empty where shards are polled."
  type        = string
}

variable "events_table" {
  description = "The table of events."
  type        = string
}

variable "deliveries_queue" {
  description = "The queue of deliveries."
  type        = string
}

variable "dead_letters_queue" {
  description = "The queue of dead letters."
  type        = string
}

variable "database" {
  description = "The database instance."
  type        = string
}

variable "cache_nodes" {
  description = "The cache's nodes."
  type        = list(string)
}

variable "alarm_arns" {
  description = "The alarms at the top of the page."
  type        = list(string)
}
