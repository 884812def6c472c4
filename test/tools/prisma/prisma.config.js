const Result = require('pg/lib/result')
const { PrismaPg } = require('@prisma/adapter-pg')

// The engine asks the catalog for columns of type "char" (18), which the adapter doesn't know: texts (25) to it.
const addFields = Result.prototype.addFields
Result.prototype.addFields = function (fields) {
  for (const field of fields) if (field.dataTypeID === 18) field.dataTypeID = 25
  return addFields.call(this, fields)
}

module.exports = {
  schema: 'schema.prisma',
  migrations: { path: 'migrations' },
  experimental: { adapter: true },
  engine: 'js',
  async adapter() {
    return new PrismaPg({ connectionString: process.env.TOOL_URL })
  },
}
