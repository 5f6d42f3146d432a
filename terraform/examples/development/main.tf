# A small deployment to try things out: tasks in one zone, one NAT gateway, one
# node of each store, nothing protected from `terraform destroy`. A load balancer
# and a database's subnet group need subnets in a second zone all the same.

module "sluice" {
  source = "../../modules/deployment"

  name        = var.name
  environment = "development"

  zones               = var.zones
  task_zones          = 1
  nat_in_each_zone    = false
  interface_endpoints = false

  domain          = var.domain
  zone_id         = var.zone_id
  certificate_arn = var.certificate_arn
  admin_access    = "allow_list"
  admin_cidrs     = var.admin_cidrs

  image_tag    = var.image_tag
  architecture = var.architecture
  ingest       = { cpu = 256, memory = 1024, tasks_min = 1, tasks_max = 2 }
  processor    = { cpu = 256, memory = 1024, tasks_min = 1, tasks_max = 1 }

  stream                 = { mode = "provisioned", shards = 1 }
  retention_days         = 7
  point_in_time_recovery = false
  database               = { instance_class = "db.t4g.micro", multi_az = false, backup_days = 1 }
  cache                  = { node_type = "cache.t4g.micro", nodes = 1 }

  alarm_mails         = var.alarm_mails
  container_insights  = false
  log_retention_days  = 14
  deletion_protection = false
}
