variable "name" {
  description = "The deployment's name."
  type        = string
  default     = "sluice"
}

variable "region" {
  description = "The region."
  type        = string
  default     = "eu-central-1"
}

variable "zones" {
  description = "Three of the region's zones."
  type        = list(string)
  default     = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
}

variable "domain" {
  description = "The name that customers use, such as events.example.com."
  type        = string
}

variable "zone_id" {
  description = "The Route 53 zone of that name; empty where names and certificate are made elsewhere."
  type        = string
  default     = ""
}

variable "certificate_arn" {
  description = "A certificate of ACM for that name and admin.<name>; empty to have one made in zone_id."
  type        = string
  default     = ""
}

variable "admin_cidrs" {
  description = "The operator's network (a VPN, a peering): it alone reaches the admin API, whose load balancer is inside the network."
  type        = list(string)
}

variable "image_tag" {
  description = "The image's tag."
  type        = string
}

variable "architecture" {
  description = "ARM64 or X86_64, as the image is."
  type        = string
  default     = "ARM64"
}

variable "alarm_mails" {
  description = "Addresses that get the alarms."
  type        = list(string)
}

variable "shards" {
  description = "Shards of the new stream: 1 MB/s and 1,000 records/s each, and at most one processor each."
  type        = number
  default     = 6
}

variable "fan_out" {
  description = "Whether shards push their records to the processors (enhanced fan-out)."
  type        = bool
  default     = false
}

variable "runbook_url" {
  description = "Where docs/runbook.md is; alarms name their section of it."
  type        = string
  default     = "docs/runbook.md"
}

variable "redis_password_secret_arn" {
  description = "A secret with the cache's token, where an operator has set one (docs/deploy.md)."
  type        = string
  default     = ""
}

variable "admin_token_version" {
  description = "A larger number makes a new admin token."
  type        = number
  default     = 1
}

variable "keep_previous_admin_token" {
  description = "Whether the admin token before the current one is accepted too; only after admin_token_version has grown."
  type        = bool
  default     = false
}

variable "postgres_password_version" {
  description = "A larger number makes a new password of the database, and rolls the tasks."
  type        = number
  default     = 1
}

variable "tables" {
  description = "Other names of the tables, for tables that were restored (docs/deploy.md)."
  type        = object({ events = optional(string, ""), leases = optional(string, "") })
  default     = {}
}
