# A whole deployment in one region: puts the modules beside this one together.
# terraform/deployment calls it, and so can your own configuration.

locals {
  names = {
    stream             = "${var.name}-events"
    events_table       = coalesce(var.tables.events, "${var.name}-events")
    leases_table       = coalesce(var.tables.leases, "${var.name}-leases")
    deliveries_queue   = "${var.name}-deliveries"
    dead_letters_queue = "${var.name}-dead-letters"
  }
  metrics_namespace = "Sluice/${var.name}"
  # aws.visibility_s and aws.receives_max of the program, and settings of the queue.
  visibility_s = 120
  receives_max = 100
  client_groups = {
    ingest    = module.compute.security_group_ids["ingest"]
    processor = module.compute.security_group_ids["processor"]
    provision = module.compute.security_group_ids["provision"]
  }
}

module "encryption" {
  source = "../encryption"
  name   = var.name
}

module "network" {
  source              = "../network"
  name                = var.name
  key_arn             = module.encryption.key_arn
  cidr                = var.cidr
  zones               = var.zones
  nat_in_each_zone    = var.nat_in_each_zone
  interface_endpoints = var.interface_endpoints
  log_retention_days  = var.log_retention_days
}

module "stream" {
  source          = "../stream"
  name            = local.names.stream
  key_arn         = module.encryption.key_arn
  mode            = var.stream.mode
  shards          = var.stream.shards
  retention_hours = var.stream.retention_hours
  fan_out         = var.stream.fan_out
}

module "tables" {
  source                 = "../tables"
  events_name            = local.names.events_table
  leases_name            = local.names.leases_table
  key_arn                = module.encryption.key_arn
  point_in_time_recovery = var.point_in_time_recovery
  deletion_protection    = var.deletion_protection
}

module "queues" {
  source            = "../queues"
  deliveries_name   = local.names.deliveries_queue
  dead_letters_name = local.names.dead_letters_queue
  key_arn           = module.encryption.key_arn
  visibility_s      = local.visibility_s
  receives_max      = local.receives_max
}

module "secrets" {
  source                    = "../secrets"
  name                      = var.name
  key_arn                   = module.encryption.key_arn
  admin_token_version       = var.admin_token_version
  postgres_password_version = var.postgres_password_version
  recovery_window_days      = var.deletion_protection ? 30 : 0
}

module "database" {
  source                 = "../database"
  name                   = var.name
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.data_subnet_ids
  client_security_groups = local.client_groups
  key_arn                = module.encryption.key_arn
  stored_password        = module.secrets.stored_postgres_password
  password_version       = var.postgres_password_version
  engine_version         = var.database.engine_version
  instance_class         = var.database.instance_class
  multi_az               = var.database.multi_az
  backup_days            = var.database.backup_days
  deletion_protection    = var.deletion_protection
}

module "cache" {
  source                 = "../cache"
  name                   = var.name
  vpc_id                 = module.network.vpc_id
  subnet_ids             = module.network.data_subnet_ids
  client_security_groups = { ingest = module.compute.security_group_ids["ingest"] }
  key_arn                = module.encryption.key_arn
  node_type              = var.cache.node_type
  nodes                  = var.cache.nodes
}

module "registry" {
  source       = "../registry"
  name         = var.name
  key_arn      = module.encryption.key_arn
  force_delete = !var.deletion_protection
}

module "iam" {
  source                 = "../iam"
  name                   = var.name
  stream_arn             = module.stream.arn
  fan_out_consumer       = module.stream.consumer
  events_table_arn       = module.tables.events_arn
  leases_table_arn       = module.tables.leases_arn
  deliveries_queue_arn   = module.queues.deliveries_arn
  dead_letters_queue_arn = module.queues.dead_letters_arn
  repository_arn         = module.registry.arn
  key_arn                = module.encryption.key_arn
  secret_arns = {
    ingest = compact([
      module.secrets.admin_token_arn, module.secrets.sealing_keys_arn, module.secrets.postgres_password_arn,
      var.redis_password_secret_arn,
    ])
    processor = [module.secrets.sealing_keys_arn, module.secrets.postgres_password_arn]
    provision = [module.secrets.postgres_password_arn]
  }
}

module "edge" {
  source              = "../edge"
  name                = var.name
  vpc_id              = module.network.vpc_id
  public_subnet_ids   = module.network.public_subnet_ids
  private_subnet_ids  = module.network.private_subnet_ids
  task_cidrs          = module.network.private_cidrs
  api_port            = 8080
  admin_task_port     = 8081
  domain              = var.domain
  zone_id             = var.zone_id
  certificate_arn     = var.certificate_arn
  admin_access        = var.admin_access
  admin_cidrs         = var.admin_cidrs
  web_acl_arn         = var.web_acl_arn
  deletion_protection = var.deletion_protection
  log_retention_days  = var.log_retention_days
}

module "compute" {
  source                     = "../compute"
  name                       = var.name
  environment                = var.environment
  image                      = var.image == "" ? "${module.registry.url}:${var.image_tag}" : var.image
  program                    = "/usr/bin/sluice"
  architecture               = var.architecture
  ingest                     = { cpu = var.ingest.cpu, memory = var.ingest.memory, tasks_min = var.ingest.tasks_min }
  processor                  = { cpu = var.processor.cpu, memory = var.processor.memory, tasks_min = var.processor.tasks_min }
  vpc_id                     = module.network.vpc_id
  subnet_ids                 = slice(module.network.private_subnet_ids, 0, var.task_zones)
  data_cidrs                 = module.network.data_cidrs
  public_security_group_id   = module.edge.public_security_group_id
  admin_security_group_id    = module.edge.admin_security_group_id
  scraper_security_group_ids = var.scraper_security_group_ids
  webhook_ports              = var.webhook_ports
  api_target_group_arn       = module.edge.api_target_group_arn
  admin_target_group_arn     = module.edge.admin_target_group_arn
  listeners                  = module.edge.listeners
  task_role_arns             = module.iam.task_role_arns
  execution_role_arns        = module.iam.execution_role_arns
  services = {
    stream                 = module.stream.name
    stream_retention_hours = var.stream.retention_hours
    fan_out_consumer       = module.stream.consumer
    events_table           = module.tables.events_name
    leases_table           = module.tables.leases_name
    deliveries_queue       = module.queues.deliveries_name
    dead_letters_queue     = module.queues.dead_letters_name
    visibility_s           = local.visibility_s
    receives_max           = local.receives_max
    lanes                  = var.lanes
    retention_days         = var.retention_days
  }
  postgres_host             = module.database.address
  postgres_ca_path          = "/usr/share/sluice/rds-ca.pem"
  redis_host                = module.cache.address
  redis_password_secret_arn = var.redis_password_secret_arn
  secrets = {
    admin_token_arn              = module.secrets.admin_token_arn
    admin_token_version_id       = module.secrets.admin_token_version_id
    sealing_keys_arn             = module.secrets.sealing_keys_arn
    postgres_password_arn        = module.secrets.postgres_password_arn
    postgres_password_version_id = module.secrets.postgres_password_version_id
  }
  keep_previous_admin_token = var.keep_previous_admin_token
  metrics_namespace         = local.metrics_namespace
  container_insights        = var.container_insights
  log_retention_days        = var.log_retention_days
  key_arn                   = module.encryption.key_arn
}

module "autoscaling" {
  source           = "../autoscaling"
  name             = var.name
  cluster          = module.compute.cluster
  services         = module.compute.services
  ingest           = { min = var.ingest.tasks_min, max = var.ingest.tasks_max, requests_per_minute = var.ingest.requests_per_minute }
  processor        = { min = var.processor.tasks_min, max = var.processor.tasks_max }
  load_balancer    = module.edge.load_balancer
  api_target_group = module.edge.api_target_group
  stream           = module.stream.name
  fan_out_consumer = module.stream.consumer
}

module "alarms" {
  source             = "../alarms"
  name               = var.name
  key_arn            = module.encryption.key_arn
  alarm_mails        = var.alarm_mails
  runbook_url        = var.runbook_url
  metrics_namespace  = local.metrics_namespace
  load_balancer      = module.edge.load_balancer
  api_target_group   = module.edge.api_target_group
  stream             = module.stream.name
  fan_out_consumer   = module.stream.consumer
  events_table       = module.tables.events_name
  leases_table       = module.tables.leases_name
  deliveries_queue   = module.queues.deliveries_name
  dead_letters_queue = module.queues.dead_letters_name
  database           = module.database.identifier
  cache_nodes        = module.cache.member_clusters
}

module "dashboard" {
  source             = "../dashboard"
  name               = var.name
  metrics_namespace  = local.metrics_namespace
  cluster            = module.compute.cluster
  services           = module.compute.services
  load_balancer      = module.edge.load_balancer
  stream             = module.stream.name
  fan_out_consumer   = module.stream.consumer
  events_table       = module.tables.events_name
  deliveries_queue   = module.queues.deliveries_name
  dead_letters_queue = module.queues.dead_letters_name
  database           = module.database.identifier
  cache_nodes        = module.cache.member_clusters
  alarm_arns         = module.alarms.alarm_arns
}
