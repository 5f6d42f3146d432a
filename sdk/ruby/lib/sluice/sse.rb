# frozen_string_literal: true

module Sluice
  # Reads server-sent events (WHATWG HTML, 9.2) from chunks of bytes. Pure.
  class SseParser
    # A longer line ends the stream with an error.
    LINE_BYTES_MAX = 16 << 20

    # One block. `data` is nil if the block only moves the position.
    Message = Struct.new(:id, :data)

    def initialize
      @rest = String.new(encoding: Encoding::BINARY)
      @data = []
      @id = nil
    end

    # Takes a chunk, and returns the complete messages.
    def feed(chunk)
      @rest << chunk.b
      lines = @rest.split("\n", -1)
      @rest = lines.pop || String.new(encoding: Encoding::BINARY)
      raise Error, "a line of the stream has more than #{LINE_BYTES_MAX} bytes" if @rest.bytesize > LINE_BYTES_MAX

      lines.filter_map { |line| take(line.chomp("\r").force_encoding(Encoding::UTF_8)) }
    end

    private

    def take(line)
      return block if line.empty?

      name, value = line.split(":", 2)
      value = value.to_s.delete_prefix(" ")
      case name
      when "data" then @data.push(value)
      when "id" then @id = value unless value.include?("\0")
      end
      nil
    end

    def block
      message = Message.new(@id, @data.empty? ? nil : @data.join("\n"))
      @data = []
      @id = nil
      message unless message.id.nil? && message.data.nil?
    end
  end
end
