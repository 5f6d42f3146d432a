variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "key_arn" {
  description = "The key that flow logs are encrypted with."
  type        = string
}

variable "cidr" {
  description = "The network's addresses: a block of /20 or larger."
  type        = string
  validation {
    condition     = can(cidrnetmask(var.cidr)) && tonumber(split("/", var.cidr)[1]) <= 20
    error_message = "cidr must be an IPv4 block of /20 or larger, such as 10.40.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones with subnets. A load balancer and a database's subnet group need two at least."
  type        = list(string)
  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 4 && length(distinct(var.zones)) == length(var.zones)
    error_message = "zones must be two to four different availability zones."
  }
}

variable "nat_in_each_zone" {
  description = "Whether each zone has a NAT gateway of its own, so that webhooks survive the loss of a zone."
  type        = bool
}

variable "interface_endpoints" {
  description = "Whether Kinesis, SQS and the services that start tasks are reached inside the network."
  type        = bool
}

variable "log_retention_days" {
  description = "How long flow logs are kept."
  type        = number
}
