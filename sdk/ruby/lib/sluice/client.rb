# frozen_string_literal: true

require_relative "core"
require_relative "methods"
require_relative "batcher"
require_relative "stream"

module Sluice
  # The part that the clients of both listeners share. Threads may share a client.
  class BaseClient
    # `timeout` is the time limit of a whole attempt, in seconds.
    def initialize(key, base_url:, timeout: 30, connect_timeout: 5, retry_policy: RetryPolicy.new, gzip_min_bytes: 1024)
      @core = Core.new(key, base_url: base_url, timeout: timeout, connect_timeout: connect_timeout,
                            retry_policy: retry_policy, gzip_min_bytes: gzip_min_bytes)
    end

    # Closes kept connections. The client can still be used.
    def close
      @core.transport.close
    end

    # The name of the class only, so that the key is not shown.
    def inspect
      "#<#{self.class.name}>"
    end

    private

    def call(method, path, query: nil, body: nil)
      @core.call(method, path, query: query, body: body)
    end

    def pages(path, query, items, type, &block)
      return enum_for(:pages, path, query, items, type) unless block

      @core.pages(path, query, items) { |item| block.call(type ? type.wrap(item) : item) }
    end

    def segment(text)
      Target.segment(text)
    end
  end

  # A customer's client. Failed requests that may be repeated are retried as `retry_policy` says.
  # Requests that send events always carry an `Idempotency-Key`, so the events are accepted once.
  class Client < BaseClient
    include ClientMethods

    def initialize(api_key, base_url: "http://127.0.0.1:8080", **options)
      super
    end

    # Sends one event. When this returns, the event is durable.
    def send_event(event, idempotency_key: nil)
      Types::Accepted.wrap(@core.produce(JSON.generate(event), idempotency_key))
    end

    # Sends up to 10,000 events. Those that were accepted are durable; each refused one has an `error`.
    def send_events(events, idempotency_key: nil)
      Types::AcceptedMany.wrap(@core.produce(JSON.generate(events.to_a), idempotency_key))
    end

    # A queue that sends single events in batches; see Batcher::DEFAULTS for the options. With a
    # block, the batcher is closed at the block's end.
    def batcher(**options)
      batcher = Batcher.new(@core, **options)
      return batcher unless block_given?

      begin
        yield batcher
      ensure
        batcher.close
      end
    end

    # Events as they are accepted, without end; a broken stream resumes where it was.
    def stream(event_type: nil, source: nil, tag: nil, start_time: nil, last_event_id: nil, max_retries: 20, idle_timeout: 60)
      query = { event_type: event_type, source: source, tag: tag, start_time: start_time }
      EventStream.new(@core, query, last_event_id: last_event_id, max_retries: max_retries, idle_timeout: idle_timeout)
    end
  end

  # An operator's client, for the admin listener.
  class Admin < BaseClient
    include AdminMethods

    def initialize(admin_token, base_url: "http://127.0.0.1:8081", **options)
      super
    end
  end
end
