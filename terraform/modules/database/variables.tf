variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "vpc_id" {
  description = "The network."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets without a way out, in two zones at least."
  type        = list(string)
}

variable "client_security_groups" {
  description = "Security groups of the tasks that connect, by the tasks' role."
  type        = map(string)
}

variable "key_arn" {
  description = "The key that storage and backups are encrypted with."
  type        = string
}

variable "stored_password" {
  description = "The secret with the password, and its version, once it is stored."
  type        = object({ arn = string, version_id = string })
}

variable "password_version" {
  description = "A larger number sets the password anew."
  type        = number
}

variable "engine_version" {
  description = "The major version of Postgres."
  type        = string
}

variable "instance_class" {
  description = "The instance's class. The catalogue is small and read from memory, so the smallest is enough for long."
  type        = string
}

variable "multi_az" {
  description = "Whether a standby in another zone takes over."
  type        = bool
}

variable "backup_days" {
  description = "How many days back the database can be restored to any second."
  type        = number
  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "backup_days must be from 1 to 35: with 0 there would be no point-in-time recovery."
  }
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the database, and Terraform keeps a last snapshot."
  type        = bool
}
