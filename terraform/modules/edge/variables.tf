variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the public load balancer."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Subnets of the admin API's load balancer."
  type        = list(string)
}

variable "task_cidrs" {
  description = "Addresses of the tasks' subnets."
  type        = list(string)
}

variable "api_port" {
  description = "The port of the public API in a task (ingest.listen)."
  type        = number
}

variable "admin_task_port" {
  description = "The port of the admin API in a task (ingest.admin_listen)."
  type        = number
}

variable "domain" {
  description = "The name that customers use, such as events.example.com."
  type        = string
}

variable "zone_id" {
  description = "The Route 53 zone of that name; empty where names and certificate are made elsewhere."
  type        = string
}

variable "certificate_arn" {
  description = "A certificate of ACM for that name; empty to have one made in zone_id."
  type        = string
}

variable "admin_access" {
  description = "internal: a load balancer inside the network. allow_list: port 8443 of the public one."
  type        = string
  validation {
    condition     = contains(["internal", "allow_list"], var.admin_access)
    error_message = "admin_access must be internal or allow_list."
  }
}

variable "admin_cidrs" {
  description = "The operator's addresses, which alone reach the admin API."
  type        = list(string)
  validation {
    condition     = alltrue([for cidr in var.admin_cidrs : can(cidrnetmask(cidr)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "admin_cidrs must be IPv4 blocks of /8 or smaller: the admin API is for operators alone."
  }
}

variable "web_acl_arn" {
  description = "A web ACL for the public load balancer, or empty."
  type        = string
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the load balancers."
  type        = bool
}

variable "log_retention_days" {
  description = "How long access logs are kept."
  type        = number
}
