variable "name" {
  description = "The deployment's name."
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

variable "ingest" {
  description = "The least and the most ingest tasks, and requests of one task in a minute."
  type        = object({ min = number, max = number, requests_per_minute = number })
  validation {
    condition     = var.ingest.min >= 1 && var.ingest.max >= var.ingest.min
    error_message = "ingest: at least one task, and max not below min."
  }
}

variable "processor" {
  description = "The least and the most processors."
  type        = object({ min = number, max = number })
  validation {
    condition     = var.processor.min >= 1 && var.processor.max >= var.processor.min
    error_message = "processor: at least one task, and max not below min."
  }
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
