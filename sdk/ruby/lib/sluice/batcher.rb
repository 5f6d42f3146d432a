# frozen_string_literal: true

require "json"
require "weakref"
require_relative "batch_limits"
require_relative "errors"
require_relative "retry_policy"

module Sluice
  # A bounded queue that sends single events in batches, and reports the result of each.
  #
  # One thread sends one batch at a time, so events keep their order. A batch is repeated with the
  # same bytes and the same `Idempotency-Key` until it is accepted, refused, or out of retries.
  # Threads may share a batcher. A forked child starts with an empty queue and a thread of its own:
  # only the parent sends the events that the parent queued.
  class Batcher
    # The result of a queued event.
    class Queued
      attr_reader :body

      def initialize(body)
        @body = body
        @lock = Mutex.new
        @settled = ConditionVariable.new
      end

      # The event's id, once the event is durable. Raises EventRejected, ApiError, NetworkError or
      # BatcherClosed; returns nil if there is no result after `timeout` seconds.
      def value(timeout = nil)
        @lock.synchronize do
          @settled.wait(@lock, timeout) unless @done
          raise @error if @error

          @id
        end
      end

      def done?
        @lock.synchronize { !!@done }
      end

      # Sets the result; only the batcher calls this.
      def settle(id, error)
        @lock.synchronize do
          @id = id
          @error = error
          @done = true
          @settled.broadcast
        end
      end
    end

    def initialize(core, **options)
      @core = core
      @limits = BatchLimits.new(**options)
      @policy = RetryPolicy.new(max_retries: @limits.max_retries)
      start_empty
      weak = WeakRef.new(self)
      timeout = @limits.exit_timeout
      at_exit { Batcher.close_at_exit(weak, timeout) }
    end

    # Queues an event and returns a Queued. When the queue is full, `add` waits for room (at most
    # `timeout` seconds), or raises BatcherFull.
    def add(event, timeout: nil)
      queued = Queued.new(JSON.generate(event))
      size = queued.body.bytesize
      raise EventTooLarge, "the event has #{size} bytes, and event_bytes_max is #{@limits.event_bytes_max}" if size > @limits.event_bytes_max

      start_empty if @pid != Process.pid
      deadline = timeout && (now + timeout)
      @lock.synchronize do
        loop do
          raise BatcherClosed, "the batcher is closed" if @closing
          break if @limits.fits?(@events, @bytes, size)

          wait_for_room(deadline)
        end
        enqueue(queued, size)
      end
      queued
    end

    # Sends the queued events without lingering; returns whether all of them have a result.
    def flush(timeout = nil)
      start_empty if @pid != Process.pid
      deadline = timeout && (now + timeout)
      @lock.synchronize do
        @flushing += 1
        @work.broadcast
        while @events.positive?
          left = deadline && (deadline - now)
          break if left && left <= 0

          @room.wait(@lock, left)
        end
        @flushing -= 1
        @events.zero?
      end
    end

    # Accepts no more events and flushes; events without a result after `timeout` seconds fail with
    # BatcherClosed.
    def close(timeout = 30)
      start_empty if @pid != Process.pid
      thread = @lock.synchronize do
        @closing = true
        @work.broadcast
        @room.broadcast
        @thread
      end
      thread&.join(timeout)
      abandoned = @lock.synchronize do
        @stopped = true
        @stop.broadcast
        @events -= @queue.size
        @bytes -= @waiting_bytes
        @waiting_bytes = 0
        @room.broadcast
        @queue.slice!(0..)
      end
      settle(abandoned, [], BatcherClosed.new("the batcher was closed before the event was sent"))
    end

    def self.close_at_exit(weak, timeout)
      weak.close(timeout) if weak.weakref_alive?
    rescue WeakRef::RefError
      nil # the batcher was garbage-collected
    end

    private

    def start_empty
      @pid = Process.pid
      @lock = Mutex.new
      @work = ConditionVariable.new # for the thread that sends
      @room = ConditionVariable.new # for callers that wait for room or for the end
      @stop = ConditionVariable.new
      @queue = []
      @events = @bytes = @waiting_bytes = @flushing = 0 # events and bytes that wait or are being sent
      @closing = @stopped = false
      @thread = nil
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def wait_for_room(deadline)
      left = deadline && (deadline - now)
      if @limits.when_full == :raise || (left && left <= 0)
        raise BatcherFull, "the queue has #{@events} events of #{@limits.queue_events_max} and #{@bytes} bytes of #{@limits.queue_bytes_max}"
      end

      @room.wait(@lock, left)
    end

    def enqueue(queued, size)
      @queue.push(queued)
      @events += 1
      @bytes += size
      @waiting_bytes += size
      @thread ||= Thread.new { run }.tap { |thread| thread.name = "sluice-batcher" }
      # The thread is woken by the first event of a batch and by the last, not by each.
      @work.signal if @queue.size == 1 || batch_full?
    end

    def run
      until (batch = next_batch).empty?
        deliver(batch)
        @lock.synchronize do
          @events -= batch.size
          @bytes -= batch.sum { |queued| queued.body.bytesize }
          @room.broadcast
        end
      end
    end

    # The next batch, once it is full, has lingered, or is flushed; empty at the end.
    def next_batch
      @lock.synchronize do
        @work.wait(@lock) while @queue.empty? && !@closing
        deadline = now + (@limits.linger_ms / 1000.0)
        until @queue.empty? || batch_full? || @flushing.positive? || @closing
          left = deadline - now
          break if left <= 0

          @work.wait(@lock, left)
        end
        count = BatchLimits.cut(@queue.lazy.map { |queued| queued.body.bytesize }, @limits.batch_events_max, @limits.batch_bytes_max)
        batch = @queue.shift(count)
        @waiting_bytes -= batch.sum { |queued| queued.body.bytesize }
        batch
      end
    end

    # Whether waiting longer cannot make the next batch larger.
    def batch_full?
      @queue.size >= @limits.batch_events_max ||
        @waiting_bytes + @queue.size + 1 >= @limits.batch_bytes_max ||
        !@limits.fits?(@events, @bytes, 1)
    end

    def deliver(batch)
      return if batch.empty?

      answer = @core.produce("[#{batch.map(&:body).join(",")}]", nil, @policy, method(:interruptible_sleep))
      settle(batch, answer["events"])
    rescue ApiError => e
      refused(batch, e)
    rescue Error => e
      settle(batch, [], e)
    rescue StandardError => e # a fault of this library must not leave events without a result
      settle(batch, [], Error.new("the batch could not be sent: #{e.class}: #{e.message}"))
    end

    def refused(batch, error)
      if error.code == "ALL_REJECTED" && error.details.is_a?(Hash) && error.details["events"]
        settle(batch, error.details["events"])
      elsif error.status == 413 && batch.size > 1
        # The server's limit is lower than this batch; none of its events was accepted.
        middle = batch.size / 2
        deliver(batch[0...middle])
        deliver(batch[middle..])
      else
        settle(batch, [], error)
      end
    end

    def interruptible_sleep(seconds)
      deadline = now + seconds
      @lock.synchronize do
        while !@stopped && (left = deadline - now).positive?
          @stop.wait(@lock, left)
        end
        raise BatcherClosed, "the batcher was closed while the batch was being retried; the event may have been accepted" if @stopped
      end
    end

    # Sets each event's result.
    def settle(batch, results, error = nil)
      by_index = results.to_h { |result| [result["index"], result] }
      batch.each_with_index do |queued, index|
        result = by_index.fetch(index, {})
        failure = error
        if failure.nil? && result["error"]
          failure = EventRejected.new(result["error"]["code"], result["error"]["message"])
        elsif failure.nil? && result["event_id"].nil?
          failure = Error.new("the answer has no result for the event")
        end
        queued.settle(result["event_id"], failure)
      end
    end
  end
end
