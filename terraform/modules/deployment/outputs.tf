output "url" {
  description = "Where customers send events to."
  value       = module.edge.url
}

output "admin_url" {
  description = "The admin API, from the operator's network."
  value       = module.edge.admin_url
}

output "load_balancer_names" {
  description = "The load balancers' own names, for records that are made elsewhere."
  value       = { public = module.edge.dns_name, admin = module.edge.admin_dns_name }
}

output "admin_token_secret" {
  description = "The secret with the admin token."
  value       = module.secrets.admin_token_arn
}

output "registry" {
  description = "Where the image is pushed to."
  value       = module.registry.url
}

output "nat_addresses" {
  description = "The addresses from which webhooks come; receivers may allow just these."
  value       = module.network.nat_addresses
}

output "cluster" {
  description = "The cluster, with the services ingest and processor."
  value       = module.compute.cluster
}

output "provision_command" {
  description = "Makes and mends the catalogue's schema: once after the first apply, and before each upgrade that says so."
  value       = module.compute.provision_command
}

output "log_groups" {
  description = "Log groups, by role."
  value       = module.compute.log_groups
}

output "alarm_topic" {
  description = "The topic of the alarms; subscribe a pager to it."
  value       = module.alarms.topic_arn
}

output "dashboard" {
  description = "The dashboard's name in CloudWatch."
  value       = module.dashboard.name
}
