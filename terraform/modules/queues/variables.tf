variable "deliveries_name" {
  description = "The name of the queue of waiting deliveries."
  type        = string
}

variable "dead_letters_name" {
  description = "The name of the queue of dead letters."
  type        = string
}

variable "key_arn" {
  description = "The key that messages are encrypted with."
  type        = string
}

variable "visibility_s" {
  description = "After how long a taken delivery comes back if its process dies (aws.visibility_s)."
  type        = number
}

variable "receives_max" {
  description = "A message that was received this often goes to the dead letters (aws.receives_max)."
  type        = number
}
