variable "name" {
  description = "The stream's name."
  type        = string
}

variable "key_arn" {
  description = "The key that records are encrypted with."
  type        = string
}

variable "mode" {
  description = "on_demand, or provisioned with a number of shards."
  type        = string
  validation {
    condition     = contains(["on_demand", "provisioned"], var.mode)
    error_message = "mode must be on_demand or provisioned."
  }
}

variable "shards" {
  description = "Shards of a new provisioned stream; later changes are made with `sluice provision --shards`."
  type        = number
  validation {
    condition     = var.shards >= 1 && var.shards <= 4096 && floor(var.shards) == var.shards
    error_message = "shards must be a whole number from 1 to 4096."
  }
}

variable "retention_hours" {
  description = "How long the stream keeps records: longer than the longest outage of the processors."
  type        = number
  validation {
    condition     = var.retention_hours >= 72 && var.retention_hours <= 8760
    error_message = "retention_hours must be from 72 to 8760: records that are older than it are lost to the processors."
  }
}

variable "fan_out" {
  description = "Whether shards push their records to a consumer of the deployment (lower latency, a price of its own)."
  type        = bool
}
