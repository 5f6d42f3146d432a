# frozen_string_literal: true

require "json"
require "openssl"
require_relative "errors"

# Verifies webhooks (Standard Webhooks 1.0: `v1` is HMAC-SHA256, `v1a` is ed25519).
module Sluice
  # The parts of Sluice.verify.
  module Webhook
    TOLERANCE_S = 300
    # The most signatures of a header that are checked.
    SIGNATURES_MAX = 16
    # The bytes before the 32 bytes of an ed25519 key in its DER form (RFC 8410, 4).
    ED25519_DER = ["302a300506032b6570032100"].pack("H*").freeze

    Key = Struct.new(:version, :bytes) do
      def signed?(signature, signed)
        return public_key.verify(nil, signature, signed) if version == "v1a"

        expected = OpenSSL::HMAC.digest("SHA256", bytes, signed)
        expected.bytesize == signature.bytesize && OpenSSL.fixed_length_secure_compare(expected, signature)
      rescue OpenSSL::PKey::PKeyError
        false
      end

      def public_key
        OpenSSL::PKey.read(ED25519_DER + bytes)
      end
    end

    module_function

    def key_of(secret)
      version, text = { "whsec_" => "v1", "whpk_" => "v1a" }.each do |prefix, name|
        break name, secret.delete_prefix(prefix) if secret.start_with?(prefix)
      end
      raise WebhookError.new(:secret, "a secret begins with neither whsec_ nor whpk_") unless text.is_a?(String)

      bytes = base64(text)
      if bytes.nil? || bytes.empty? || (version == "v1a" && bytes.bytesize != 32)
        raise WebhookError.new(:secret, "a secret is not base64, or a public key is not 32 bytes long")
      end
      Key.new(version, bytes)
    end

    def header(headers, name)
      value = headers.find { |key, _| key.to_s.downcase.tr("_", "-").delete_prefix("http-") == name }&.last
      value = value.first if value.is_a?(Array)
      raise WebhookError.new(:header, "the header #{name} is absent") if value.nil? || value.empty?

      value
    end

    def base64(text)
      text += "=" * (-text.bytesize % 4)
      text.unpack1("m0")
    rescue ArgumentError
      nil
    end

    def value_of(text)
      raise JSON::ParserError, "not UTF-8" unless text.valid_encoding?

      JSON.parse(text)
    rescue JSON::ParserError
      raise WebhookError.new(:body, "the webhook is genuine, but its body is not JSON")
    end

    def check_time(timestamp, tolerance_s, now_s)
      raise WebhookError.new(:header, "webhook-timestamp is not a number of seconds") unless timestamp.match?(/\A[0-9]{1,12}\z/)
      return if (now_s - timestamp.to_i).abs <= tolerance_s

      raise WebhookError.new(:timestamp, "webhook-timestamp is more than #{tolerance_s} s from now")
    end
  end

  # Returns the value of a webhook's body if one of the secrets signed it, else raises WebhookError.
  #
  # `body` is the body as it came, before any parsing. `headers` is a hash, or Rack's `env`.
  # `secrets` are `whsec_…` (shared) or `whpk_…` (the public key of a subscription with
  # `"signature": "v1a"`); give the old and the new one while they rotate.
  def self.verify(body, headers, secrets, tolerance_s: Webhook::TOLERANCE_S, now_s: Time.now.to_f)
    keys = Array(secrets).map { |secret| Webhook.key_of(secret) }
    raise WebhookError.new(:secret, "there is no secret to verify with") if keys.empty?

    id, timestamp, signatures = %w[webhook-id webhook-timestamp webhook-signature].map { |name| Webhook.header(headers, name) }
    Webhook.check_time(timestamp, tolerance_s, now_s)
    signed = "#{id}.#{timestamp}.".b + body.b
    genuine = signatures.split(" ").first(Webhook::SIGNATURES_MAX).any? do |entry|
      version, text = entry.split(",", 2)
      signature = text && Webhook.base64(text)
      signature && keys.any? { |key| key.version == version && key.signed?(signature, signed) }
    end
    raise WebhookError.new(:signature, "no signature of the webhook is by one of the secrets") unless genuine

    Webhook.value_of(body.dup.force_encoding(Encoding::UTF_8))
  end
end
