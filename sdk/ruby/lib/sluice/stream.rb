# frozen_string_literal: true

require "json"
require "time"
require_relative "errors"
require_relative "sse"
require_relative "types"

module Sluice
  # The event stream (`GET /v1/stream`): reads it, and resumes where it broke. `each` yields events
  # without end; leave it with `break`. It fails after more than `max_retries` failures in a row.
  class EventStream
    include Enumerable

    # The position of the stream: give it to a later stream to resume there.
    attr_reader :last_event_id

    def initialize(core, query, last_event_id:, max_retries:, idle_timeout:)
      @core = core
      @query = query
      @last_event_id = last_event_id
      @policy = core.retry_policy.with_retries(max_retries)
      @idle_timeout = idle_timeout
      @failures = 0
    end

    def each(&block)
      return enum_for(:each) unless block

      loop { read_until_it_breaks(&block) }
    end

    private

    def read_until_it_breaks(&block)
      @in_block = false
      @core.transport.open(request, @idle_timeout) do |status, headers, read|
        return refused(status, headers, read) unless status == 200

        remember_start(headers)
        parser = SseParser.new
        read.call do |chunk|
          @failures = 0
          parser.feed(chunk).each { |message| take(message, &block) }
        end
      end
      failed(NetworkError.new(:broken, "the stream ended"))
    rescue NetworkError => e
      raise if @in_block

      failed(e)
    end

    def take(message)
      @last_event_id = message.id unless message.id.to_s.empty?
      return unless message.data

      event = Types::StoredEvent.wrap(JSON.parse(message.data))
      @in_block = true # an error of the caller's block is not a failure of the stream
      yield event
      @in_block = false
    end

    def request
      headers = { "accept" => "text/event-stream" }
      headers["last-event-id"] = @last_event_id if @last_event_id
      @core.target.prepare("GET", "/v1/stream", query: @query, headers: headers)
    end

    # A stream that breaks before its first id begins again at this time, by the server's clock.
    def remember_start(headers)
      return if @last_event_id || @query[:start_time] || headers["date"].nil?

      @query = @query.merge(start_time: Time.httpdate(headers["date"]).utc.iso8601)
    end

    def refused(status, headers, read)
      body = +""
      read.call { |chunk| body << chunk if body.bytesize < 1 << 20 }
      answer = Answer.new(status, headers, body)
      error = answer.error(Core.now_ms)
      failed(error, answer.refusal(error))
    end

    def failed(error, failure = RetryPolicy::Fault.new(error.fault))
      @failures += 1
      wait = @policy.wait_ms("GET", false, @failures, failure, Core.now_ms, rand)
      raise error unless wait

      sleep(wait / 1000.0)
    end
  end
end
