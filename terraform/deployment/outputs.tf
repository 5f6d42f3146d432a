output "url" {
  description = "Where customers send events to."
  value       = module.sluice.url
}

output "admin_url" {
  description = "The admin API, from the operator's addresses."
  value       = module.sluice.admin_url
}

output "load_balancer_names" {
  description = "The load balancers' own names, for records that are made elsewhere."
  value       = module.sluice.load_balancer_names
}

output "admin_token_secret" {
  description = "The secret with the admin token."
  value       = module.sluice.admin_token_secret
}

output "registry" {
  description = "Where the image is pushed to."
  value       = module.sluice.registry
}

output "nat_addresses" {
  description = "The addresses from which webhooks come; receivers may allow just these."
  value       = module.sluice.nat_addresses
}

output "cluster" {
  description = "The cluster, with the services ingest and processor."
  value       = module.sluice.cluster
}

output "provision_command" {
  description = "Makes and mends the catalogue's schema."
  value       = module.sluice.provision_command
}

output "log_groups" {
  description = "Log groups, by role."
  value       = module.sluice.log_groups
}

output "alarm_topic" {
  description = "The topic of the alarms."
  value       = module.sluice.alarm_topic
}

output "dashboard" {
  description = "The dashboard's name in CloudWatch."
  value       = module.sluice.dashboard
}
