# The certificate and the names: made here if the zone is in Route 53, else given.

locals {
  makes_certificate = var.certificate_arn == ""
  certificate_arn   = local.makes_certificate ? aws_acm_certificate_validation.this[0].certificate_arn : var.certificate_arn
}

resource "aws_acm_certificate" "this" {
  count                     = local.makes_certificate ? 1 : 0
  domain_name               = var.domain
  subject_alternative_names = local.admin_san_names
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
    precondition {
      condition     = var.zone_id != ""
      error_message = "Give zone_id (a Route 53 zone, in which the certificate is proved) or certificate_arn."
    }
  }
}

resource "aws_route53_record" "validation" {
  for_each        = toset(local.makes_certificate ? concat([var.domain], local.admin_san_names) : [])
  zone_id         = var.zone_id
  name            = local.proofs[each.key].resource_record_name
  type            = local.proofs[each.key].resource_record_type
  records         = [local.proofs[each.key].resource_record_value]
  ttl             = 300
  allow_overwrite = true
}

locals {
  proofs = { for proof in flatten(aws_acm_certificate.this[*].domain_validation_options) : proof.domain_name => proof }
}

resource "aws_acm_certificate_validation" "this" {
  count                   = local.makes_certificate ? 1 : 0
  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_route53_record" "public" {
  count   = var.zone_id == "" ? 0 : 1
  zone_id = var.zone_id
  name    = var.domain
  type    = "A"

  alias {
    name                   = aws_lb.public.dns_name
    zone_id                = aws_lb.public.zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_record" "admin" {
  count   = var.zone_id != "" && local.internal ? 1 : 0
  zone_id = var.zone_id
  name    = "admin.${var.domain}"
  type    = "A"

  alias {
    name                   = local.admin_host
    zone_id                = local.admin_zone
    evaluate_target_health = false
  }
}
