// Command gen-updates writes docs/updates.md: what a change of each field of a pod or claim takes, from the table in package
// podspec.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/shoal-dev/shoal/podspec"
)

const page = "docs/updates.md"

func main() {
	if err := os.WriteFile(page, []byte(render(podspec.Fields())), 0o644); err != nil {
		fmt.Fprintf(os.Stderr, "gen-updates: writing %s: %v\n", page, err)
		os.Exit(1)
	}
}

const head = `# Updates

What it takes to bring a change of a template to an instance that runs, as ` + "`updateStrategy`" + ` of an InstanceSet does ([instanceset.md](instanceset.md#updates-of-the-template)). Of claims, the set
lets the size alone be changed ([instanceset.md](instanceset.md#volumes-grow)).
The page is generated from the table in package ` + "`podspec`" + ` by ` + "`make generate`" + `, and the rows are tried on a real API server
(` + "`TestTableOfUpdates`" + `): the change must be accepted by the verb of its class, and what takes a new pod must be refused. Not
tried are rows with nothing to do (but for gates), labels that hold a slot (an admission policy of Shoal refuses them), and of claims
the source of data and the removal of a VolumeAttributesClass.

Three pods are compared: the one that the template of the instance's revision makes today, the one that exists, and the one that is
wanted. Only what differs between the first and the last is the template's doing. So:

- another version of Shoal, with another image of the agent or other defaults, changes no pod that runs;
- what the scheduler, admission, or a person wrote to a pod stays;
- an update that was interrupted goes on where it was.

Defaults of the API server that a template says or leaves out are the same. Values of environment variables, arguments, commands,
probes, hooks and volumes are never printed.

| class | what is done | the pod stays |
|---|---|---|
| patch | a patch of the pod or claim; nothing restarts | yes |
| configuration | a patch of the pod's annotation; its agent brings the parameters to the engine, and restarts it where they ask for that | yes |
| image | a patch of the pod; the kubelet restarts that container alone | yes |
| resize | a patch of the subresource ` + "`resize`" + `; whether the container restarts is in its ` + "`resizePolicy`" + ` | yes |
| volume | a patch of the claim, which the driver carries out | yes |
| recreate | a new pod on the same volume | no |
| refused | nothing: it would be another instance, or lose data | yes |

A resize that changes the pod's class of QoS is a recreate, and so is every resize of a pod of Windows. A memory limit comes down only
after Redis' maxmemory did, as its agent and that of its master report it. A new pod has it at once: where a change takes new pods, lower maxmemory
before, in a change of its own. A replica beside a master that holds more than it may is killed in each full sync.

Parameters of ` + "`spec.configuration`" + ` are no fields of a pod: what a change of each takes is in
[instanceset.md](instanceset.md#configuration). To add or to remove ` + "`configuration`" + ` as a whole is a recreate.

## Fields

What stands below a field is as the field. Metadata of claims is as that of pods.

| field | class | why |
|---|---|---|
`

func render(all []podspec.Field) string {
	var b strings.Builder
	b.WriteString(head)
	for _, f := range all {
		only := ""
		if f.Only != "" {
			only = f.Only + ": "
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s%s |\n", f.Path, f.Class, only, f.Why)
		if f.Only != "" {
			fmt.Fprintf(&b, "| | %s | otherwise: %s |\n", f.Else, f.ElseWhy)
		}
	}
	return b.String()
}
