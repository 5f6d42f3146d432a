# frozen_string_literal: true

require "net/http"
require "openssl"
require_relative "request"

module Sluice
  # Sends requests over kept connections of net/http. Threads may share a transport; a forked child
  # makes connections of its own.
  class Transport
    # An answer with a longer body is refused.
    ANSWER_BYTES_MAX = 64 << 20
    IDLE_MAX = 8
    CONNECT_ERRORS = [SystemCallError, SocketError, Net::OpenTimeout, OpenSSL::SSL::SSLError, IOError].freeze
    BROKEN_ERRORS = [SystemCallError, IOError, Net::ProtocolError, Net::HTTPBadResponse, Net::HTTPHeaderSyntaxError,
                     OpenSSL::SSL::SSLError].freeze

    def initialize(target, timeout, connect_timeout)
      raise ArgumentError, "timeout and connect_timeout must be more than 0 seconds" unless timeout.positive? && connect_timeout.positive?

      @target = target
      @timeout = timeout
      @connect_timeout = connect_timeout
      start_empty
    end

    # One attempt; the transport's `timeout` limits the whole attempt.
    def call(request)
      deadline = now + @timeout
      connection = take
      keep = false
      faults do
        body = +""
        response = connection.request(http_request(connection, request, deadline)) do |coming|
          coming.read_body do |chunk|
            body << chunk
            raise IOError, "the answer has more than #{ANSWER_BYTES_MAX} bytes" if body.bytesize > ANSWER_BYTES_MAX

            connection.read_timeout = left(deadline)
          end
        end
        # Some versions of net/http return a body that broke off as if it were complete.
        raise EOFError, "the answer broke off" if response.content_length && response.content_length != body.bytesize

        keep = connection.started?
        Answer.new(response.code.to_i, headers_of(response), body.force_encoding(Encoding::UTF_8))
      end
    ensure
      give_back(connection, keep) if connection
    end

    # One attempt whose answer is read in pieces; `idle_timeout` limits each read. Yields the answer's
    # head, and a reader that yields chunks.
    def open(request, idle_timeout)
      connection = take
      faults do
        connection.request(http_request(connection, request, now + idle_timeout)) do |response|
          yield response.code.to_i, headers_of(response), ->(&block) { response.read_body(&block) }
        end
      end
    ensure
      connection.finish if connection&.started?
    end

    def close
      idle = @lock.synchronize { @idle.slice!(0..) }
      idle.each { |connection| connection.finish if connection.started? }
    end

    private

    def start_empty
      @pid = Process.pid
      @lock = Mutex.new
      @idle = []
    end

    def now
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def left(deadline)
      rest = deadline - now
      raise Net::ReadTimeout if rest <= 0

      rest
    end

    def http_request(connection, request, deadline)
      connection.read_timeout = connection.write_timeout = left(deadline)
      made = Net::HTTPGenericRequest.new(request.method, !request.body.nil?, true, request.target, request.headers)
      made.body = request.body if request.body
      made
    end

    def headers_of(response)
      response.each_header.to_h
    end

    # Whether an idle connection is still open: if it can be read from, the server has closed it.
    def usable?(connection)
      socket = connection.instance_variable_get(:@socket)
      connection.started? && (socket.nil? || !socket.io.wait_readable(0))
    rescue IOError
      false
    end

    def take
      start_empty if @pid != Process.pid # the connections belong to the parent
      while (connection = @lock.synchronize { @idle.pop })
        return connection if usable?(connection)

        connection.finish if connection.started?
      end
      connect
    end

    def connect
      connection = Net::HTTP.new(@target.host, @target.port, nil)
      connection.use_ssl = @target.secure
      connection.open_timeout = [@connect_timeout, @timeout].min
      connection.max_retries = 0
      connection.keep_alive_timeout = 30
      connection.start
    rescue *CONNECT_ERRORS => e
      raise NetworkError.new(:connect, "cannot connect to #{@target.host}:#{@target.port}: #{e.message}")
    end

    def give_back(connection, keep)
      kept = keep && @lock.synchronize { @idle.push(connection) if @idle.size < IDLE_MAX }
      connection.finish if !kept && connection.started?
    end

    def faults
      yield
    rescue Net::ReadTimeout, Net::WriteTimeout
      raise NetworkError.new(:timeout, "the server did not answer in time")
    rescue *BROKEN_ERRORS => e
      raise NetworkError.new(:broken, "the connection broke: #{e.class}: #{e.message}")
    end
  end
end
