package lint

import (
	"fmt"

	"github.com/shoal-dev/shoal/api/agent"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
	"github.com/shoal-dev/shoal/spelling"
)

// configuration says which parameters of a set no instance would get. The API server takes them: they are not in the schema, as the next
// version of Shoal knows others.
func (l *linter) configuration(s set) {
	c := s.Spec.Configuration
	if l.only || c == nil {
		return
	}
	for n, p := range c.Parameters {
		if _, known := agent.ClassOf(p.Name); !known {
			l.add(s.object, fmt.Sprintf("spec.configuration.parameters[%d].name", n), fmt.Sprintf("no instance gets parameter %q: Shoal does not know it, or lets nobody set it%s",
				p.Name, spelling.Guess(p.Name, agent.ConfigurationNames())), reason.ConfigurationInvalid.String())
		}
	}
	if container := podspec.UnknownConfigured(s.InstanceSet); container != "" {
		l.add(s.object, "spec.configuration", fmt.Sprintf("spec.template has no container %q, whose engine would read it", container), reason.ConfigurationInvalid.String())
	}
}
