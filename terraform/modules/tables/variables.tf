variable "events_name" {
  description = "The name of the table of events, facts and dead letters."
  type        = string
}

variable "leases_name" {
  description = "The name of the table of leases and checkpoints."
  type        = string
}

variable "key_arn" {
  description = "The key that items are encrypted with."
  type        = string
}

variable "point_in_time_recovery" {
  description = "Whether the tables can be restored to any second of the last 35 days."
  type        = bool
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the tables."
  type        = bool
}
