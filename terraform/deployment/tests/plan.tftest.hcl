# Plans a deployment with the real provider and made-up keys, so AWS is not asked.
# Values that only AWS knows are given below, so that policies and task definitions
# are known in the plan; tests/terraform also asserts over that plan's JSON.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "none"
  secret_key                  = "none"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
}

# The settings of an environment come from its file, which tests/terraform names.
variables {
  domain          = "events.example.com"
  certificate_arn = "arn:aws:acm:eu-central-1:111122223333:certificate/00000000-0000-4000-8000-000000000001"
  admin_cidrs     = ["203.0.113.7/32"]
  image_tag       = "1.0.0"
  alarm_mails     = ["operators@example.com"]
  name            = "sluice"
}

override_data {
  target = module.sluice.module.alarms.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.edge.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.encryption.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.iam.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.network.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.queues.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.registry.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.stream.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_data {
  target = module.sluice.module.tables.data.aws_caller_identity.current
  values = { account_id = "111122223333" }
}

override_resource {
  target          = module.sluice.module.encryption.aws_kms_key.this
  override_during = plan
  values = {
    arn    = "arn:aws:kms:eu-central-1:111122223333:key/00000000-0000-4000-8000-000000000000"
    key_id = "00000000-0000-4000-8000-000000000000"
  }
}

override_resource {
  target          = module.sluice.module.secrets.aws_secretsmanager_secret.this["admin-token"]
  override_during = plan
  values = {
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sluice/admin-token-AbCdEf"
    id  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sluice/admin-token-AbCdEf"
  }
}

override_resource {
  target          = module.sluice.module.secrets.aws_secretsmanager_secret.this["sealing-keys"]
  override_during = plan
  values = {
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sluice/sealing-keys-AbCdEf"
    id  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sluice/sealing-keys-AbCdEf"
  }
}

override_resource {
  target          = module.sluice.module.secrets.aws_secretsmanager_secret.this["postgres-password"]
  override_during = plan
  values = {
    arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sluice/postgres-password-AbCdEf"
    id  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sluice/postgres-password-AbCdEf"
  }
}

override_resource {
  target          = module.sluice.module.secrets.aws_secretsmanager_secret_version.admin_token
  override_during = plan
  values = {
    version_id = "token-1"
  }
}

override_resource {
  target          = module.sluice.module.secrets.aws_secretsmanager_secret_version.postgres_password
  override_during = plan
  values = {
    version_id = "password-1"
  }
}

override_resource {
  target          = module.sluice.module.database.aws_db_instance.this
  override_during = plan
  values = {
    address = "sluice.abc.eu-central-1.rds.amazonaws.com"
  }
}

override_resource {
  target          = module.sluice.module.cache.aws_elasticache_replication_group.this
  override_during = plan
  values = {
    id                       = "sluice"
    primary_endpoint_address = "master.sluice.abc.euc1.cache.amazonaws.com"
  }
}

override_resource {
  target          = module.sluice.module.registry.aws_ecr_repository.this
  override_during = plan
  values = {
    repository_url = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/sluice"
  }
}

override_resource {
  target          = module.sluice.module.edge.aws_lb.public
  override_during = plan
  values = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:loadbalancer/app/sluice/50dc6c495c0c9188"
    arn_suffix = "app/sluice/50dc6c495c0c9188"
    dns_name   = "sluice-1.eu-central-1.elb.amazonaws.com"
    zone_id    = "Z215JYRZR1TBD5"
  }
}

override_resource {
  target          = module.sluice.module.edge.aws_lb_target_group.api
  override_during = plan
  values = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:targetgroup/sluice-api/73e2d6bc24d8a067"
    arn_suffix = "targetgroup/sluice-api/73e2d6bc24d8a067"
  }
}

override_resource {
  target          = module.sluice.module.alarms.aws_sns_topic.this
  override_during = plan
  values = {
    arn = "arn:aws:sns:eu-central-1:111122223333:sluice-alarms"
  }
}

run "plan" {
  command = plan
}
