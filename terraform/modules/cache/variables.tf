variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets without a way out."
  type        = list(string)
}

variable "client_security_groups" {
  description = "Security groups of the tasks that connect, by the tasks' role."
  type        = map(string)
}

variable "key_arn" {
  description = "The key that data at rest is encrypted with."
  type        = string
}

variable "node_type" {
  description = "The nodes' type. An idempotency key takes about 200 bytes for 24 hours."
  type        = string
}

variable "nodes" {
  description = "One node, or a primary and replicas that take over."
  type        = number
  validation {
    condition     = var.nodes >= 1 && var.nodes <= 6
    error_message = "nodes must be from 1 to 6."
  }
}
