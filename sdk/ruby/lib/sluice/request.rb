# frozen_string_literal: true

require "erb"
require "json"
require "stringio"
require "uri"
require "zlib"
require_relative "errors"
require_relative "retry_policy"
require_relative "version"

module Sluice
  # A request. Every attempt sends these same bytes.
  Prepared = Struct.new(:method, :target, :headers, :body) do
    def keyed?
      headers.key?("idempotency-key")
    end
  end

  # An answer that was read whole; the names of its headers are in lower case.
  Answer = Struct.new(:status, :headers, :body) do
    def success?
      status.between?(200, 299)
    end

    # The value of a successful answer.
    def value
      body.nil? || body.empty? ? nil : JSON.parse(body)
    rescue JSON::ParserError
      raise ApiError.new(status, "UNKNOWN", "the answer is not JSON")
    end

    # The error of an answer that is no success.
    def error(now_ms)
      fields = error_fields
      ApiError.new(
        status, fields.fetch("code", "UNKNOWN").to_s, fields["message"].to_s,
        details: fields["details"], request_id: fields["request_id"] || headers["x-request-id"],
        retry_after_ms: RetryPolicy.retry_after_ms(headers["retry-after"], now_ms)
      )
    end

    def refusal(error)
      RetryPolicy::Refusal.new(status, error.code, headers["retry-after"], error.outcome_unknown?)
    end

    private

    def error_fields
      value = JSON.parse(body)
      return value["error"] if value.is_a?(Hash) && value["error"].is_a?(Hash)

      excerpt
    rescue JSON::ParserError, TypeError
      excerpt
    end

    def excerpt
      { "message" => body.to_s.empty? ? "the answer has no body" : body.byteslice(0, 200).scrub }
    end
  end

  # The target and the credential of requests; turns a call into the exact bytes of a request.
  class Target
    attr_reader :host, :port, :secure

    def initialize(base_url, key, gzip_min_bytes)
      uri = URI.parse(base_url)
      unless uri.is_a?(URI::HTTP) && uri.host && uri.query.nil? && uri.fragment.nil? && uri.userinfo.nil?
        raise ArgumentError, "base_url must be http://host or https://host, with a path at most, not #{base_url}"
      end
      raise ArgumentError, "the key must be printable ASCII" unless key.is_a?(String) && key.match?(/\A[!-~]+\z/)

      @host = uri.hostname
      @port = uri.port
      @secure = uri.scheme == "https"
      @prefix = uri.path.chomp("/")
      @headers = {
        "authorization" => "Bearer #{key}", "user-agent" => "sluice-ruby/#{VERSION}",
        "accept" => "application/json", "accept-encoding" => "identity"
      }.freeze
      @gzip_min_bytes = gzip_min_bytes
    end

    # The request of a call; `body` is JSON text.
    def prepare(method, path, query: nil, body: nil, headers: {})
      all = @headers.merge(headers)
      if body
        all["content-type"] = "application/json"
        if body.bytesize >= @gzip_min_bytes
          all["content-encoding"] = "gzip"
          body = Zlib.gzip(body)
        end
      end
      Prepared.new(method, @prefix + path + Target.query_text(query), all, body)
    end

    # A path segment: an id with a slash in it stays one segment.
    def self.segment(text)
      raise ArgumentError, "an id must not be empty, `.` or `..`" if ["", ".", ".."].include?(text.to_s)

      ERB::Util.url_encode(text.to_s)
    end

    def self.query_text(query)
      pairs = (query || {}).compact.map { |name, value| "#{name}=#{ERB::Util.url_encode(value.to_s)}" }
      pairs.empty? ? "" : "?#{pairs.join("&")}"
    end
  end
end
