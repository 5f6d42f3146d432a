output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "public_subnet_ids" {
  description = "Subnets of the load balancer."
  value       = [for zone in var.zones : aws_subnet.public[zone].id]
}

output "private_subnet_ids" {
  description = "Subnets of the tasks, in the order of the zones."
  value       = [for zone in var.zones : aws_subnet.private[zone].id]
}

output "private_cidrs" {
  description = "Addresses of the tasks."
  value       = [for zone in var.zones : aws_subnet.private[zone].cidr_block]
}

output "data_subnet_ids" {
  description = "Subnets of the database and the cache."
  value       = [for zone in var.zones : aws_subnet.data[zone].id]
}

output "nat_addresses" {
  description = "The addresses from which webhooks come; receivers may allow just these."
  value       = [for zone in local.nat_zones : aws_eip.nat[zone].public_ip]
}

output "data_cidrs" {
  description = "Addresses of the database and the cache."
  value       = [for zone in var.zones : aws_subnet.data[zone].cidr_block]
}
