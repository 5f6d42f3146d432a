# The secrets of a deployment. Their values are made by AWS, written without
# passing through the state or a plan, and read by ECS when a task starts.

# Unknown until it exists, so that AWS is not asked before the first apply.
resource "terraform_data" "length" {
  input = 64
}

ephemeral "aws_secretsmanager_random_password" "admin_token" {
  password_length     = terraform_data.length.output
  exclude_punctuation = true
}

ephemeral "aws_secretsmanager_random_password" "sealing_key" {
  password_length = terraform_data.length.output
}

ephemeral "aws_secretsmanager_random_password" "postgres" {
  password_length     = terraform_data.length.output
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57: rotation by AWS needs a function in the network and does not reach running tasks; docs/operate.md has each secret's way
  for_each = {
    admin-token       = "The token of the admin API, the same for all ingest tasks"
    sealing-keys      = "The keys that webhook secrets are sealed with: a JSON list, the first one seals"
    postgres-password = "The password of the catalogue's database"
  }
  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.recovery_window_days
}

resource "aws_secretsmanager_secret_version" "admin_token" {
  secret_id                = aws_secretsmanager_secret.this["admin-token"].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.admin_token.random_password
  secret_string_wo_version = var.admin_token_version
}

# Never written again: a new value would lose the old key, and with it every
# webhook secret that it sealed. docs/operate.md says how a key is added.
resource "aws_secretsmanager_secret_version" "sealing_keys" {
  secret_id                = aws_secretsmanager_secret.this["sealing-keys"].id
  secret_string_wo         = jsonencode(["k1:${base64sha256(ephemeral.aws_secretsmanager_random_password.sealing_key.random_password)}"])
  secret_string_wo_version = 1
}

resource "aws_secretsmanager_secret_version" "postgres_password" {
  secret_id                = aws_secretsmanager_secret.this["postgres-password"].id
  secret_string_wo         = ephemeral.aws_secretsmanager_random_password.postgres.random_password
  secret_string_wo_version = var.postgres_password_version
}

# The stored secret, known only once it is stored: the database reads its password there.
resource "terraform_data" "postgres_password" {
  input = {
    arn        = aws_secretsmanager_secret_version.postgres_password.arn
    version_id = aws_secretsmanager_secret_version.postgres_password.version_id
  }
}
