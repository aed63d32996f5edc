package switchover

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

func (c *call) run(ctx context.Context) error {
	cluster, err := c.Connect()
	if err != nil {
		return err
	}
	s := c.wanted()
	if c.dryRun {
		return c.foresee(ctx, cluster, s)
	}
	if err := cluster.Create(ctx, s); err != nil {
		return fmt.Errorf("asking for the switchover: %w", err)
	}
	if c.wait {
		return c.watch(ctx, cluster, s)
	}
	if c.output != "" {
		return c.print(s)
	}
	_, err = fmt.Fprintf(c.Out, "asked for: %s\n", c.look(s))
	return err
}

func (c *call) wanted() *v1alpha1.Switchover {
	timeout := int32((c.timeout + time.Second - 1) / time.Second)
	return &v1alpha1.Switchover{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Switchover"},
		ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, GenerateName: c.shard + "-"},
		Spec: v1alpha1.SwitchoverSpec{
			InstanceSet: c.set, Shard: c.shard, To: c.to, Policy: v1alpha1.SwitchoverPolicy(c.policy), TimeoutSeconds: &timeout,
		},
	}
}

// look is the command that shows it.
func (c *call) look(s *v1alpha1.Switchover) string {
	return fmt.Sprintf("kubectl get switchover %s -n %s -o yaml", s.Name, s.Namespace)
}

// print writes the object.
func (c *call) print(s *v1alpha1.Switchover) error {
	s.APIVersion, s.Kind, s.ManagedFields = v1alpha1.GroupVersion.String(), "Switchover", nil
	var text []byte
	var err error
	switch c.output {
	case "name":
		text = []byte("switchover." + v1alpha1.GroupName + "/" + s.Name + "\n")
	case "json":
		if text, err = json.MarshalIndent(s, "", "  "); err == nil {
			text = append(text, '\n')
		}
	default:
		text, err = yaml.Marshal(s)
	}
	if err == nil {
		_, err = c.Out.Write(text)
	}
	if err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	return nil
}

// longest is how long there is something to wait for: to begin, and three attempts of twice the timeout each, with some for the
// manager's leader to change.
func (c *call) longest() time.Duration { return 7*c.timeout + time.Minute }

// watch shows what is done until it has ended.
func (c *call) watch(ctx context.Context, cluster client.Client, s *v1alpha1.Switchover) error {
	show := &shown{out: c.Out, silent: c.output != "", began: c.Now()}
	show.say("asked for as %s", s.Name)
	ticks := time.NewTicker(c.Poll)
	defer ticks.Stop()
	hinted, trouble := false, error(nil)
	for begun := c.Now(); ; {
		var now v1alpha1.Switchover
		if err := cluster.Get(ctx, client.ObjectKeyFromObject(s), &now); err == nil {
			s, trouble = &now, nil
			show.news(s)
			if s.Status.Ended() {
				return c.ended(show, s)
			}
		} else if client.IgnoreNotFound(err) == nil && ctx.Err() == nil {
			return fmt.Errorf("the Switchover %s was deleted: how it ends is not known", s.Name)
		} else {
			trouble = err
		}
		waited := c.Now().Sub(begun)
		if unseen := len(s.Status.Conditions) == 0; unseen && !hinted && waited > 5*time.Second {
			hinted = true
			fmt.Fprintln(c.ErrOut, "nobody has looked at it for 5 s: does shoal-manager run, and lead? (kubectl shoal check)")
		}
		if waited > c.longest() {
			return fmt.Errorf("no end after %s%s; look: %s", waited.Round(time.Second), because(trouble), c.look(s))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not waited for its end: it goes on in the cluster; look: %s", c.look(s))
		case <-ticks.C:
		}
	}
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}

func (c *call) ended(show *shown, s *v1alpha1.Switchover) error {
	if c.output != "" {
		if err := c.print(s); err != nil {
			return err
		}
	}
	if err := show.end(s); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	if !isTrue(s, v1alpha1.ConditionComplete) {
		return c.Bad
	}
	return nil
}
