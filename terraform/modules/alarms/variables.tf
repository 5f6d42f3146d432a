variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "key_arn" {
  description = "The key that the topic is encrypted with."
  type        = string
}

variable "alarm_mails" {
  description = "Addresses that get the alarms; each has to confirm once."
  type        = list(string)
}

variable "runbook_url" {
  description = "Where docs/runbook.md is."
  type        = string
}

variable "metrics_namespace" {
  description = "CloudWatch's namespace of the program's metrics."
  type        = string
}

variable "load_balancer" {
  description = "The public load balancer, as CloudWatch calls it."
  type        = string
}

variable "api_target_group" {
  description = "The public API's target group, as CloudWatch calls it."
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

variable "leases_table" {
  description = "The table of leases."
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

variable "messages_waiting" {
  description = "How many due deliveries may wait."
  type        = number
  default     = 1000
}

variable "dead_letters" {
  description = "How many dead letters may lie in their queue."
  type        = number
  default     = 10
}

variable "lag_s" {
  description = "How many seconds matching may be behind acceptance."
  type        = number
  default     = 30
}

variable "stream_age_s" {
  description = "How old the oldest unread record may be, in seconds."
  type        = number
  default     = 300
}

variable "requests_min" {
  description = "In five minutes: with fewer requests their failures are no alarm."
  type        = number
  default     = 100
}

variable "receipts_min" {
  description = "In five minutes: with fewer receipts or POSTs their lateness or failure is no alarm."
  type        = number
  default     = 100
}
