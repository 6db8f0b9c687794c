package schema

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const values = `# A header of the file.

# -- (boolean or null) Run it.
enabled: true
# What runs.
image:
  # -- Tag; with a <default>
  # of "two" lines.
  tag: ""
  none: 1

  # -- A paragraph that belongs to no key.

  port: 5432
  keys:
    # -- Deeper.
    a: [1, x]
# -- Requests.
resources:
  limits:
    memory: 1Gi
`

const before = `{
  "required": ["enabled"],
  "properties": {
    "enabled": {"type": "boolean", "default": false, "description": "stale"},
    "image": {"additionalProperties": false, "properties": {
      "tag": {"$ref": "#/definitions/tag"},
      "none": {"description": "stale", "minimum": 1.50},
      "port": {},
      "keys": {"properties": {"a": {"type": "array"}}},
      "other": {"description": "Kept."}
    }},
    "resources": {"type": "object"}
  },
  "definitions": {"tag": {"pattern": "^\\{<$"}}
}`

const after = `{
  "required": [
    "enabled"
  ],
  "properties": {
    "enabled": {
      "description": "Run it.",
      "type": "boolean",
      "default": true
    },
    "image": {
      "description": "What runs.",
      "additionalProperties": false,
      "properties": {
        "tag": {
          "description": "Tag; with a <default> of \"two\" lines.",
          "$ref": "#/definitions/tag",
          "default": ""
        },
        "none": {
          "minimum": 1.50,
          "default": 1
        },
        "port": {
          "default": 5432
        },
        "keys": {
          "properties": {
            "a": {
              "description": "Deeper.",
              "type": "array",
              "default": [
                1,
                "x"
              ]
            }
          }
        },
        "other": {
          "description": "Kept."
        }
      }
    },
    "resources": {
      "description": "Requests.",
      "type": "object",
      "default": {
        "limits": {
          "memory": "1Gi"
        }
      }
    }
  },
  "definitions": {
    "tag": {
      "pattern": "^\\{<$"
    }
  }
}
`

func TestDescribe(t *testing.T) {
	t.Parallel()
	got, err := Describe([]byte(values), []byte(before))
	require.NoError(t, err)
	assert.Equal(t, after, string(got))
	again, err := Describe([]byte(values), got)
	require.NoError(t, err)
	assert.Equal(t, after, string(again))
}

func TestDescribe_Unreadable_Error(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ values, schema string }{{"a: [", "{}"}, {"a: 1", "{"}, {"a: 1", "[]"}, {"a: 1", `{"a": 1, "a": 2}`}} {
		_, err := Describe([]byte(tc.values), []byte(tc.schema))
		assert.Error(t, err, tc)
	}
}
