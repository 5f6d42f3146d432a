# frozen_string_literal: true

require_relative "lib/sluice/version"

Gem::Specification.new do |spec|
  spec.name = "sluice-sdk"
  spec.version = Sluice::VERSION
  spec.summary = "Send events to Sluice, read them, and verify its webhooks"
  spec.authors = ["The authors of Sluice"]
  spec.licenses = ["MIT", "Apache-2.0"]
  spec.required_ruby_version = ">= 3.0"
  spec.files = Dir["lib/**/*.rb"] + ["README.md"]
  spec.metadata["allowed_push_host"] = "https://example.invalid" # not published
  spec.metadata["rubygems_mfa_required"] = "true"
end
