# Settings of this deployment only.

variable "domain" {
  description = "The name that customers use, such as events.example.com."
  type        = string
}

variable "zone_id" {
  description = "The Route 53 zone of that name; empty if names and certificate are made elsewhere."
  type        = string
  default     = ""
}

variable "certificate_arn" {
  description = "A certificate of ACM for that name and, if admin_access is internal, admin.<name>; empty to have one made in zone_id."
  type        = string
  default     = ""
}

variable "admin_cidrs" {
  description = "The only addresses that reach the admin API: your own, such as [\"203.0.113.7/32\"], or those of the operator's network."
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
  default     = []
}

variable "runbook_url" {
  description = "The URL of docs/runbook.md; alarms name their section of it."
  type        = string
  default     = "docs/runbook.md"
}

# Settings of an environment, given in development.tfvars and production.tfvars.

variable "name" {
  description = "The deployment's name: part of the names of its resources."
  type        = string
}

variable "environment" {
  description = "The environment that /health states. development also has the routes of test customers."
  type        = string
}

variable "region" {
  description = "The region."
  type        = string
}

variable "zones" {
  description = "The region's zones, two or more."
  type        = list(string)
}

variable "task_zones" {
  description = "In how many of these zones tasks run, counted from the first."
  type        = number
}

variable "nat_in_each_zone" {
  description = "Whether each zone has a NAT gateway of its own."
  type        = bool
}

variable "interface_endpoints" {
  description = "Whether AWS services have endpoints in the network."
  type        = bool
}

variable "admin_access" {
  description = "internal: the admin API has a load balancer inside the network. allow_list: it is on port 8443 of the public one."
  type        = string
}

variable "ingest" {
  description = "An ingest task's CPU units and MiB; how many tasks; and the requests a minute of one task above which another is started."
  type = object({
    cpu                 = number
    memory              = number
    tasks_min           = number
    tasks_max           = number
    requests_per_minute = optional(number, 60000)
  })
}

variable "processor" {
  description = "A processor's CPU units and MiB, and how many there are at least; at most as many as shards."
  type        = object({ cpu = number, memory = number, tasks_min = number })
}

variable "stream" {
  description = "mode: on_demand or provisioned; shards of a new provisioned stream (1 MB/s and 1,000 records/s each); how long it keeps records; whether shards push (enhanced fan-out)."
  type = object({
    mode            = string
    shards          = optional(number, 1)
    retention_hours = optional(number, 72)
    fan_out         = optional(bool, false)
  })
}

variable "retention_days" {
  description = "How long events are kept."
  type        = number
}

variable "point_in_time_recovery" {
  description = "Whether the tables can be restored to any moment of the last 35 days."
  type        = bool
}

variable "database" {
  description = "Postgres: instance class, whether a standby takes over, how many days back it can be restored."
  type        = object({ instance_class = string, multi_az = bool, backup_days = number })
}

variable "cache" {
  description = "Valkey: the nodes' type, and how many."
  type        = object({ node_type = string, nodes = number })
}

variable "container_insights" {
  description = "Whether CloudWatch keeps metrics of each task."
  type        = bool
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}

variable "deletion_protection" {
  description = "Whether stores refuse to be deleted."
  type        = bool
}

# For changes of a running deployment (docs/deploy.md).

variable "tables" {
  description = "Other names of the tables, for tables that were restored."
  type        = object({ events = optional(string, ""), leases = optional(string, "") })
  default     = {}
}

variable "redis_password_secret_arn" {
  description = "A secret with the cache's token, where an operator has set one."
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
