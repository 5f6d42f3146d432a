variable "name" {
  description = "The deployment's name."
  type        = string
}

variable "key_arn" {
  description = "The key that secrets are encrypted with."
  type        = string
}

variable "admin_token_version" {
  description = "A larger number makes a new admin token."
  type        = number
}

variable "postgres_password_version" {
  description = "A larger number makes a new password of the database."
  type        = number
}

variable "recovery_window_days" {
  description = "How long a deleted secret can be restored: 7 to 30 days, or 0 for not at all."
  type        = number
}
