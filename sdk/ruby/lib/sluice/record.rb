# frozen_string_literal: true

module Sluice
  # A value that the API answers: a hash with a reader for each known field; unknown fields are kept.
  class Record
    class << self
      # Declares a field; `type` names the record type of its value, or of the items of its value if that is a list.
      def field(name, type = nil)
        define_method(name) do
          value = @fields[name.to_s]
          type ? Types.const_get(type).wrap(value) : value
        end
      end

      # Turns a hash into a record, and each hash of a list; returns any other value as it is.
      def wrap(value)
        case value
        when Hash then new(value)
        when Array then value.map { |one| wrap(one) }
        else value
        end
      end
    end

    def initialize(fields)
      @fields = fields
    end

    # The value of a field by its name in the API.
    def [](name)
      @fields[name.to_s]
    end

    # All fields, as they came.
    def to_h
      @fields
    end

    def to_json(*)
      JSON.generate(@fields)
    end

    def ==(other)
      other.class == self.class && other.to_h == @fields
    end

    def inspect
      "#<#{self.class.name} #{@fields.inspect}>"
    end
  end
end
