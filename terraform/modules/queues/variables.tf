variable "deliveries_name" {
  description = "The name of the queue of deliveries that wait."
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
  description = "How long a delivery that was taken stays away, should its process die (aws.visibility_s)."
  type        = number
}

variable "receives_max" {
  description = "A message that was received this often goes to the dead letters (aws.receives_max)."
  type        = number
}
