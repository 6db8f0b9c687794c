package charttest

import (
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

// strict is a decoder that rejects unknown fields, duplicate fields and values of a wrong type.
var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

var documentStart = regexp.MustCompile(`(?m)^---$`)

// Objects returns the rendered objects, hooks last, decoded into their Kubernetes types.
func (r *Rendered) Objects() ([]runtime.Object, error) {
	var objects []runtime.Object
	for _, doc := range documentStart.Split(r.Template(), -1) {
		if len(strings.TrimSpace(doc)) == 0 {
			continue
		}
		o, _, err := strict.Decode([]byte(doc), nil, nil)
		if runtime.IsNotRegisteredError(err) && strings.Contains(doc, "\nkind: PrometheusRule\n") {
			o, _, err = unstructured.UnstructuredJSONScheme.Decode(toJSON([]byte(doc)), nil, nil) // a custom resource
		}
		if err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, doc)
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// toJSON returns the YAML text as JSON, or unchanged if it is invalid, so that the decoder reports the error.
func toJSON(text []byte) []byte {
	if json, err := yaml.YAMLToJSON(text); err == nil {
		return json
	}
	return text
}

// Find returns the first object of type T named name, or with any name if name is empty.
func Find[T interface {
	runtime.Object
	GetName() string
}](r *Rendered, name string) (T, error) {
	var none T
	objects, err := r.Objects()
	if err != nil {
		return none, err
	}
	for _, o := range objects {
		if t, ok := o.(T); ok && (name == "" || t.GetName() == name) {
			return t, nil
		}
	}
	return none, fmt.Errorf("no %T named %q in\n%s", none, name, r.Template())
}

// Normalize returns the objects in the output of helm template by kind and name, for comparing outputs regardless of order and comments.
func Normalize(text string) (map[string]map[string]any, error) {
	objects := map[string]map[string]any{}
	for _, doc := range documentStart.Split(text, -1) {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, doc)
		}
		if len(o.Object) == 0 {
			continue
		}
		id := o.GetKind() + "/" + o.GetName()
		if _, twice := objects[id]; twice {
			return nil, fmt.Errorf("%s is rendered twice", id)
		}
		objects[id] = o.Object
	}
	return objects, nil
}
