package fidelity

import (
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// explain takes out of two answers to one step what is known to differ, and says why; "" when nothing does.
func explain(s *Step, real, simulated *Answer) string {
	switch {
	case s.How == types.JSONPatchType && real.Code == 400 && simulated.Code == 400 && strings.HasPrefix(simulated.Message, "error decoding patch: json:"):
		simulated.Message = real.Message
		return "the message names a type of Go of the decoder, which is the API server's own"
	case (s.Kind == "set" || s.Kind == "policy") && real.Code == 422 && simulated.Code == 422 && strings.Contains(simulated.Message, "patch: Invalid value"):
		simulated.Message = real.Message
		return "custom resources are of Go types here: what no such type can hold is refused before its schema is asked"
	case s.Kind == "service" && real.Code == 422 && simulated.Code == 422 && strings.Contains(string(s.Change), "clusterIP"):
		simulated.Message = real.Message
		return "the registry of Services, which allocates addresses, is left out: it validates clusterIPs first. Shoal's Services are headless"
	case version(real) == "new" && version(simulated) == "old" && real.Code == 0:
		simulated.Object["metadata"].(map[string]any)["resourceVersion"] = "new"
		return "managed fields are left out: on a real server a write that changes only who owns a field makes a version"
	}
	return ""
}

func version(a *Answer) any {
	meta, _ := a.Object["metadata"].(map[string]any)
	return meta["resourceVersion"]
}
