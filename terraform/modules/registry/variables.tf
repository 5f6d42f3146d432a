variable "name" {
  description = "The repository's name."
  type        = string
}

variable "key_arn" {
  description = "The key that layers are encrypted with."
  type        = string
}

variable "force_delete" {
  description = "Whether the repository may be deleted with its images."
  type        = bool
}
