variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "environment" {
  description = "The environment that /health states; development also has the routes of test customers."
  type        = string
}

variable "image" {
  description = "The image, with its tag or digest."
  type        = string
}

variable "program" {
  description = "The path of the program in the image, for the health check."
  type        = string
}

variable "architecture" {
  description = "ARM64 or X86_64, as the image is."
  type        = string
  validation {
    condition     = contains(["ARM64", "X86_64"], var.architecture)
    error_message = "architecture must be ARM64 or X86_64."
  }
}

variable "ingest" {
  description = "The size of an ingest task (CPU units, MiB), and how many there are at least."
  type        = object({ cpu = number, memory = number, tasks_min = number })
}

variable "processor" {
  description = "The size of a processor task (CPU units, MiB), and how many there are at least."
  type        = object({ cpu = number, memory = number, tasks_min = number })
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the tasks."
  type        = list(string)
}

variable "data_cidrs" {
  description = "Addresses of the database's and the cache's subnets."
  type        = list(string)
}

variable "public_security_group_id" {
  description = "The public load balancer's security group."
  type        = string
}

variable "admin_security_group_id" {
  description = "The security group of the load balancer with the admin API."
  type        = string
}

variable "scraper_security_group_ids" {
  description = "Security groups that may read /metrics of processors."
  type        = list(string)
}

variable "webhook_ports" {
  description = "Ports beside 443 to which webhooks may go."
  type        = list(number)
}

variable "api_target_group_arn" {
  description = "The target group of the public API."
  type        = string
}

variable "admin_target_group_arn" {
  description = "The target group of the admin API."
  type        = string
}

variable "listeners" {
  description = "The listeners that use the target groups."
  type        = list(string)
}

variable "task_role_arns" {
  description = "Task roles, by role."
  type        = map(string)
}

variable "execution_role_arns" {
  description = "Execution roles, by role."
  type        = map(string)
}

variable "services" {
  description = "Names and settings of the services that the tasks use, as in the section aws of the configuration."
  type = object({
    stream                 = string
    stream_retention_hours = number
    fan_out_consumer       = string
    events_table           = string
    leases_table           = string
    deliveries_queue       = string
    dead_letters_queue     = string
    visibility_s           = number
    receives_max           = number
    lanes                  = number
    retention_days         = number
  })
}

variable "postgres_host" {
  description = "The database's host."
  type        = string
}

variable "postgres_ca_path" {
  description = "The path of the certificates of RDS in the image."
  type        = string
}

variable "redis_host" {
  description = "The cache's host."
  type        = string
}

variable "redis_password_secret_arn" {
  description = "A secret with the cache's token, or empty if it has none."
  type        = string
}

variable "secrets" {
  description = "Secrets that tasks are started with."
  type = object({
    admin_token_arn              = string
    admin_token_version_id       = string
    sealing_keys_arn             = string
    postgres_password_arn        = string
    postgres_password_version_id = string
  })
}

variable "keep_previous_admin_token" {
  description = "Whether the previous token is accepted too."
  type        = bool
}

variable "metrics_namespace" {
  description = "CloudWatch's namespace of the program's metrics."
  type        = string
}

variable "container_insights" {
  description = "Whether CloudWatch keeps metrics of each service's tasks."
  type        = bool
}

variable "log_retention_days" {
  description = "How long logs are kept."
  type        = number
}

variable "key_arn" {
  description = "The key that logs are encrypted with."
  type        = string
}
