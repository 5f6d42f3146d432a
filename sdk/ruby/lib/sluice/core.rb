# frozen_string_literal: true

require "securerandom"
require_relative "transport"

module Sluice
  # Sends requests, retries failed ones, reads answers. The clients of both listeners use it.
  class Core
    attr_reader :target, :transport, :retry_policy

    def initialize(key, base_url:, timeout:, connect_timeout:, retry_policy:, gzip_min_bytes:)
      @retry_policy = retry_policy
      @target = Target.new(base_url, key, gzip_min_bytes)
      @transport = Transport.new(@target, timeout, connect_timeout)
    end

    # Sends the same bytes until an answer counts, or the policy gives up.
    def send_request(request, policy = retry_policy, sleeper = method(:sleep))
      failures = 0
      loop do
        error, failure = attempt(request) { |value| return value }
        failures += 1
        wait = policy.wait_ms(request.method, request.keyed?, failures, failure, Core.now_ms, rand)
        raise error unless wait

        sleeper.call(wait / 1000.0)
      end
    end

    def call(method, path, query: nil, body: nil)
      encoded = body.nil? ? nil : JSON.generate(body)
      send_request(target.prepare(method, path, query: query, body: encoded))
    end

    # Sends events: `body` is their JSON text.
    def produce(body, key = nil, policy = retry_policy, sleeper = method(:sleep))
      headers = { "idempotency-key" => key || SecureRandom.uuid }
      send_request(target.prepare("POST", "/v1/events", body: body, headers: headers), policy, sleeper)
    end

    # Every item of every page.
    def pages(path, query, items)
      cursor = nil
      loop do
        page = call("GET", path, query: query.merge(cursor: cursor))
        page[items].each { |item| yield item }
        cursor = page["cursor"]
        break unless page["has_more"] && cursor
      end
    end

    def self.now_ms
      (Time.now.to_f * 1000).to_i
    end

    private

    # One attempt: yields the value of a success, or returns the error and the reason for the retry rules.
    def attempt(request)
      answer = transport.call(request)
      yield answer.value if answer.success?
      error = answer.error(Core.now_ms)
      [error, answer.refusal(error)]
    rescue NetworkError => e
      [e, RetryPolicy::Fault.new(e.fault)]
    end
  end
end
