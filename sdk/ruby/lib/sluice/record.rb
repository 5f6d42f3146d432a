# frozen_string_literal: true

module Sluice
  # What the API answers: a hash whose known fields have readers, and whose unknown ones are kept.
  class Record
    class << self
      # Declares a field; `type` names the record that its value is, or is a list of.
      def field(name, type = nil)
        define_method(name) do
          value = @fields[name.to_s]
          type ? Types.const_get(type).wrap(value) : value
        end
      end

      # The value as records: a hash is one, a list is of many, anything else is itself.
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
