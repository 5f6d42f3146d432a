variable "name" {
  description = "The deployment's name: part of the names of its resources. Never change it."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,22}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must be 3 to 24 lower-case letters, digits and single hyphens, beginning with a letter."
  }
}

variable "environment" {
  description = "The environment that /health states. development also has the routes of test customers."
  type        = string
}

variable "cidr" {
  description = "The network's addresses: a block of /20 or larger."
  type        = string
  default     = "10.40.0.0/16"
}

variable "zones" {
  description = "Availability zones with subnets: two to four."
  type        = list(string)
}

variable "task_zones" {
  description = "In how many of these zones tasks run, counted from the first."
  type        = number
  validation {
    condition     = var.task_zones >= 1 && var.task_zones <= length(var.zones)
    error_message = "task_zones must be from 1 to the number of zones."
  }
}

variable "nat_in_each_zone" {
  description = "Whether each zone has a NAT gateway of its own."
  type        = bool
}

variable "interface_endpoints" {
  description = "Whether AWS services are reached inside the network."
  type        = bool
}

variable "stream" {
  description = "mode: on_demand or provisioned; shards of a new provisioned stream; how long it keeps records; whether shards push (enhanced fan-out)."
  type = object({
    mode            = string
    shards          = optional(number, 1)
    retention_hours = optional(number, 72)
    fan_out         = optional(bool, false)
  })
}

variable "lanes" {
  description = "Lanes of the deployment (aws.lanes). Never change it."
  type        = number
  default     = 128
  validation {
    condition     = var.lanes >= 1 && var.lanes <= 4096
    error_message = "lanes must be from 1 to 4096."
  }
}

variable "retention_days" {
  description = "How long events are kept (aws.retention_days)."
  type        = number
  default     = 90
  validation {
    condition     = var.retention_days >= 1 && var.retention_days <= 3650
    error_message = "retention_days must be from 1 to 3650."
  }
}

variable "tables" {
  description = "Other names of the tables, for tables that were restored (docs/deploy.md)."
  type        = object({ events = optional(string, ""), leases = optional(string, "") })
  default     = {}
}

variable "point_in_time_recovery" {
  description = "Whether the tables can be restored to any second of the last 35 days."
  type        = bool
}

variable "database" {
  description = "Postgres: its major version, instance class, whether a standby takes over, how many days back it can be restored."
  type = object({
    engine_version = optional(string, "17")
    instance_class = string
    multi_az       = bool
    backup_days    = number
  })
}

variable "cache" {
  description = "Valkey: the nodes' type, and how many."
  type        = object({ node_type = string, nodes = number })
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
  description = "Whether the previous admin token is accepted too; only after admin_token_version has grown."
  type        = bool
  default     = false
}

variable "postgres_password_version" {
  description = "A larger number makes a new password of the database, and rolls the tasks."
  type        = number
  default     = 1
}

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
  description = "A certificate of ACM for that name (and admin.<name>); empty to have one made in zone_id."
  type        = string
  default     = ""
}

variable "admin_access" {
  description = "internal: the admin API has a load balancer inside the network. allow_list: it is on port 8443 of the public one."
  type        = string
}

variable "admin_cidrs" {
  description = "The operator's addresses, the only ones that reach the admin API."
  type        = list(string)
}

variable "web_acl_arn" {
  description = "A web ACL for the public load balancer."
  type        = string
  default     = ""
}

variable "image" {
  description = "An image with its tag or digest; empty for image_tag of the deployment's own registry."
  type        = string
  default     = ""
}

variable "image_tag" {
  description = "The image's tag in the deployment's own registry."
  type        = string
}

variable "architecture" {
  description = "ARM64 or X86_64, as the image is."
  type        = string
  default     = "ARM64"
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
  description = "A processor's CPU units and MiB, and how many there are: never more than the stream has shards."
  type = object({
    cpu       = number
    memory    = number
    tasks_min = number
    tasks_max = number
  })
  validation {
    condition     = var.stream.mode != "provisioned" || var.processor.tasks_max <= var.stream.shards
    error_message = "processor.tasks_max is above stream.shards: a processor without a shard does nothing."
  }
}

variable "webhook_ports" {
  description = "Ports beside 443 to which webhooks may go."
  type        = list(number)
  default     = []
}

variable "scraper_security_group_ids" {
  description = "Security groups of a Prometheus that reads processors' /metrics."
  type        = list(string)
  default     = []
}

variable "alarm_mails" {
  description = "Addresses that get the alarms."
  type        = list(string)
}

variable "runbook_url" {
  description = "The URL of docs/runbook.md; alarms name their section of it."
  type        = string
  default     = "docs/runbook.md"
}

variable "container_insights" {
  description = "Whether CloudWatch keeps metrics of each service's tasks."
  type        = bool
}

variable "log_retention_days" {
  description = "How long logs are kept: a number that CloudWatch knows, such as 14, 30, 90, 365."
  type        = number
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete tables, database and load balancers, and deleted secrets can be restored."
  type        = bool
}
