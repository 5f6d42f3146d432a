# frozen_string_literal: true

require "time"

module Sluice
  # Decides whether a failed attempt is repeated, and after how long. Pure.
  #
  # `max_retries` counts attempts after the first. The longest wait after the first failure is
  # `base_ms`; it doubles with each, up to `cap_ms`. If `Retry-After` asks for more than
  # `retry_after_max_ms`, the request fails at once.
  class RetryPolicy
    # No complete answer: :connect (certainly not sent), :timeout or :broken.
    Fault = Struct.new(:kind)
    # An answer that is no success.
    Refusal = Struct.new(:status, :code, :retry_after, :outcome_unknown)

    SAFE = %w[GET HEAD PUT PATCH DELETE].freeze

    attr_reader :max_retries, :base_ms, :cap_ms, :retry_after_max_ms

    def initialize(max_retries: 5, base_ms: 500, cap_ms: 10_000, retry_after_max_ms: 60_000)
      given = { max_retries: max_retries, base_ms: base_ms, cap_ms: cap_ms, retry_after_max_ms: retry_after_max_ms }
      given.each { |name, value| raise ArgumentError, "#{name} must not be negative" if value.negative? }
      @max_retries = max_retries
      @base_ms = base_ms
      @cap_ms = cap_ms
      @retry_after_max_ms = retry_after_max_ms
    end

    # This policy with another number of retries.
    def with_retries(count)
      RetryPolicy.new(max_retries: count, base_ms: base_ms, cap_ms: cap_ms, retry_after_max_ms: retry_after_max_ms)
    end

    # Returns how long to wait before the next attempt, or nil to give up. `failures` counts the failed
    # attempts, this one included; `random` is in [0, 1).
    def wait_ms(method, keyed, failures, failure, now_ms, random)
      after = failure.is_a?(Refusal) ? RetryPolicy.retry_after_ms(failure.retry_after, now_ms) : nil
      return nil if failures > max_retries || !repeatable?(method, keyed, failure, !after.nil?)
      return after > retry_after_max_ms ? nil : after + (random * base_ms) if after

      longest = [cap_ms, base_ms * (2.0**[failures - 1, 60].min)].min
      longest * (0.5 + (0.5 * random))
    end

    # `Retry-After` (RFC 9110, 10.2.3): seconds, or a date.
    def self.retry_after_ms(text, now_ms)
      case text
      when /\A[0-9]{1,9}\z/ then text.to_i * 1000
      when /\A[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT\z/
        [0, (Time.httpdate(text).to_i * 1000) - now_ms].max
      end
    rescue ArgumentError
      nil
    end

    private

    # Whether a repeat can help and is safe.
    def repeatable?(method, keyed, failure, has_retry_after)
      safe = keyed || SAFE.include?(method)
      return safe || failure.kind == :connect if failure.is_a?(Fault)

      case failure.status
      when 429, 503 then safe || !failure.outcome_unknown
      when 408, 502, 504 then safe
      when 500 then safe && failure.outcome_unknown
      when 409 then keyed && failure.code == "IDEMPOTENCY_IN_FLIGHT" # the first attempt is still being worked on
      when 404 then method == "GET" && has_retry_after # the event may be too young to be in the store
      else false
      end
    end
  end
end
