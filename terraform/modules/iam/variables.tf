variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "stream_arn" {
  description = "The stream."
  type        = string
}

variable "fan_out_consumer" {
  description = "The name of the stream's consumer, empty where shards are polled."
  type        = string
}

variable "events_table_arn" {
  description = "The table of events."
  type        = string
}

variable "leases_table_arn" {
  description = "The table of leases."
  type        = string
}

variable "deliveries_queue_arn" {
  description = "The queue of deliveries."
  type        = string
}

variable "dead_letters_queue_arn" {
  description = "The queue of dead letters."
  type        = string
}

variable "repository_arn" {
  description = "The repository of the image."
  type        = string
}

variable "secret_arns" {
  description = "The secrets that tasks of each role are started with."
  type        = map(list(string))
}

variable "key_arn" {
  description = "The deployment's key."
  type        = string
}
