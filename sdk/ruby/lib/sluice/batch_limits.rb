# frozen_string_literal: true

module Sluice
  # Decides which queued events make the next batch, and which still fit the queue. Pure. Bytes are
  # those of the events' JSON.
  class BatchLimits
    DEFAULTS = {
      batch_events_max: 1000, # the most events of a request
      batch_bytes_max: 1 << 20, # the most bytes of a request, with brackets and commas, before gzip
      event_bytes_max: 256 << 10, # the most bytes of an event; the server's default limit
      queue_events_max: 10_000, # the most events that wait or are being sent
      queue_bytes_max: 16 << 20, # the most bytes that wait or are being sent
      linger_ms: 20, # how long the first event of a batch waits for others
      when_full: :wait, # what a full queue does: :wait for room, or :raise BatcherFull
      max_retries: 20, # attempts of a batch after the first; with the waits between them, about two and a half minutes
      exit_timeout: 30 # how many seconds the end of the process waits for queued events
    }.freeze

    attr_reader(*DEFAULTS.keys)

    def initialize(**options)
      unknown = options.keys - DEFAULTS.keys
      raise ArgumentError, "unknown options: #{unknown.join(", ")}" unless unknown.empty?

      DEFAULTS.merge(options).each { |name, value| instance_variable_set("@#{name}", value) }
      check
    end

    # How many of the first events make a batch: at least one, and more while they fit.
    def self.cut(sizes, events_max, bytes_max)
      count = 0
      total = 2
      sizes.each do |size|
        total += size + (count.positive? ? 1 : 0)
        break if count.positive? && (count == events_max || total > bytes_max)

        count += 1
      end
      count
    end

    # Whether one more event fits the queue.
    def fits?(queued_events, queued_bytes, size)
      queued_events < queue_events_max && queued_bytes + size <= queue_bytes_max
    end

    private

    def check
      %i[batch_events_max event_bytes_max queue_events_max queue_bytes_max].each do |name|
        raise ArgumentError, "#{name} must be at least 1" if public_send(name) < 1
      end
      raise ArgumentError, "batch_events_max must be at most 10000" if batch_events_max > 10_000
      raise ArgumentError, "batch_bytes_max must be at least event_bytes_max and 2 brackets" if batch_bytes_max < event_bytes_max + 2
      raise ArgumentError, "queue_bytes_max must be at least event_bytes_max" if queue_bytes_max < event_bytes_max
      raise ArgumentError, "when_full must be :wait or :raise" unless %i[wait raise].include?(when_full)

      %i[linger_ms max_retries exit_timeout].each do |name|
        raise ArgumentError, "#{name} must not be negative" if public_send(name).negative?
      end
    end
  end
end
