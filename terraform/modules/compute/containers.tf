# The container of a task: the program with one role's command. All three roles read
# the same configuration, and each gets only the secrets that it needs.

locals {
  # A whole URL except the password, which comes as a secret of its own.
  postgres_url = "postgres://sluice@${var.postgres_host}:5432/sluice?sslmode=verify-full&sslrootcert=${var.postgres_ca_path}"

  secrets = {
    admin_token       = { SLUICE_ADMIN_TOKEN = "${var.secrets.admin_token_arn}:::${var.secrets.admin_token_version_id}" }
    sealing_keys      = { SLUICE_SECRETS__KEYS = var.secrets.sealing_keys_arn }
    postgres_password = { SLUICE_AWS__POSTGRES_PASSWORD = "${var.secrets.postgres_password_arn}:::${var.secrets.postgres_password_version_id}" }
    # For the time in which clients learn a new token (docs/operate.md).
    previous_admin_token = var.keep_previous_admin_token ? {
      SLUICE_ADMIN_TOKEN_PREVIOUS = "${var.secrets.admin_token_arn}::AWSPREVIOUS:"
    } : {}
    # Set by an operator, who gave the cache its token (docs/deploy.md).
    redis_password = var.redis_password_secret_arn == "" ? {} : {
      SLUICE_AWS__REDIS_PASSWORD = var.redis_password_secret_arn
    }
  }

  services_environment = {
    SLUICE_AWS__REGION                   = data.aws_region.current.name
    SLUICE_AWS__STREAM                   = var.services.stream
    SLUICE_AWS__STREAM_RETENTION_HOURS   = var.services.stream_retention_hours
    SLUICE_AWS__EVENTS_TABLE             = var.services.events_table
    SLUICE_AWS__LEASES_TABLE             = var.services.leases_table
    SLUICE_AWS__QUEUE                    = var.services.deliveries_queue
    SLUICE_AWS__DEAD_LETTER_QUEUE        = var.services.dead_letters_queue
    SLUICE_AWS__VISIBILITY_S             = var.services.visibility_s
    SLUICE_AWS__RECEIVES_MAX             = var.services.receives_max
    SLUICE_AWS__LANES                    = var.services.lanes
    SLUICE_AWS__RETENTION_DAYS           = var.services.retention_days
    SLUICE_AWS__POSTGRES_URL             = local.postgres_url
    SLUICE_AWS__POSTGRES_CONNECTIONS_MAX = 4
    SLUICE_TELEMETRY__LOG_FORMAT         = "json"
  }

  # One line of metrics a minute, from which CloudWatch makes the alarms' metrics.
  metrics_environment = {
    SLUICE_TELEMETRY__EMF           = "true"
    SLUICE_TELEMETRY__EMF_NAMESPACE = var.metrics_namespace
  }

  environment = {
    ingest = merge(local.services_environment, local.metrics_environment, {
      SLUICE_AWS__REDIS_URL            = "rediss://${var.redis_host}:6379"
      SLUICE_INGEST__LISTEN            = "0.0.0.0:${local.api_port}"
      SLUICE_INGEST__ADMIN_LISTEN      = "0.0.0.0:${local.admin_port}"
      SLUICE_INGEST__ENVIRONMENT       = var.environment
      SLUICE_INGEST__METRICS_ON_PUBLIC = "false"
    })
    processor = merge(local.services_environment, local.metrics_environment, {
      SLUICE_AWS__FAN_OUT_CONSUMER = var.services.fan_out_consumer
      SLUICE_PROCESSOR_LISTEN      = "0.0.0.0:${local.processor_port}"
    })
    provision = local.services_environment
  }

  role_secrets = {
    ingest = merge(
      local.secrets.admin_token, local.secrets.previous_admin_token, local.secrets.sealing_keys,
      local.secrets.postgres_password, local.secrets.redis_password,
    )
    processor = merge(local.secrets.sealing_keys, local.secrets.postgres_password)
    provision = local.secrets.postgres_password
  }

  roles = {
    ingest    = { cpu = var.ingest.cpu, memory = var.ingest.memory, ports = [local.api_port, local.admin_port] }
    processor = { cpu = var.processor.cpu, memory = var.processor.memory, ports = [local.processor_port] }
    provision = { cpu = 256, memory = 512, ports = [] }
  }

  containers = {
    for role, size in local.roles : role => {
      cpu    = size.cpu
      memory = size.memory
      definition = merge(
        {
          name                   = role
          image                  = var.image
          essential              = true
          command                = [role]
          readonlyRootFilesystem = true
          stopTimeout            = local.stop_timeout_s
          portMappings           = [for port in size.ports : { containerPort = port, hostPort = port, protocol = "tcp" }]
          ulimits                = [{ name = "nofile", softLimit = 65536, hardLimit = 65536 }]
          # By name: two plans of the same configuration are the same text.
          environment = concat(
            # Says in CloudTrail and in AWS's own metrics which role called.
            [{ name = "AWS_SDK_UA_APP_ID", value = "sluice-${role}" }],
            [for name, value in local.environment[role] : { name = name, value = tostring(value) }],
          )
          secrets = [for name, arn in local.role_secrets[role] : { name = name, valueFrom = arn }]
          logConfiguration = {
            logDriver = "awslogs"
            options = {
              awslogs-group         = "/${var.name}/${role}"
              awslogs-region        = data.aws_region.current.name
              awslogs-stream-prefix = role
              # A slow CloudWatch must not stop the process; lines beyond the buffer are lost.
              mode            = "non-blocking"
              max-buffer-size = "25m"
            }
          }
        },
        # The one-off ends by itself.
        role == "provision" ? {} : {
          # ECS ends a task that fails this check, which would not help a task that waits for
          # a dependency: so it asks whether the task lives. The load balancer asks whether it is ready.
          healthCheck = {
            command     = ["CMD", var.program, "healthcheck", "--alive"]
            interval    = 15
            timeout     = 5
            retries     = 3
            startPeriod = 30
          }
        },
      )
    }
  }
}
