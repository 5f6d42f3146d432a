variable "name" {
  description = "The deployment's name."
  type        = string
  default     = "sluice-dev"
}

variable "region" {
  description = "The region."
  type        = string
  default     = "eu-central-1"
}

variable "zones" {
  description = "Two of the region's zones; tasks run in the first."
  type        = list(string)
  default     = ["eu-central-1a", "eu-central-1b"]
}

variable "domain" {
  description = "The name that customers use, such as events-dev.example.com."
  type        = string
}

variable "zone_id" {
  description = "The Route 53 zone of that name; empty where names and certificate are made elsewhere."
  type        = string
  default     = ""
}

variable "certificate_arn" {
  description = "A certificate of ACM for that name; empty to have one made in zone_id."
  type        = string
  default     = ""
}

variable "admin_cidrs" {
  description = "Your own addresses, such as [\"203.0.113.7/32\"]: they alone reach the admin API on port 8443."
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
