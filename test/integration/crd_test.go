//go:build integration

package integration

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

type setChange = func(*v1alpha1.InstanceSet)

func ordinals(o v1alpha1.Ordinals) setChange {
	return func(s *v1alpha1.InstanceSet) { s.Spec.Ordinals = &o }
}

func templates(t ...v1alpha1.InstanceTemplate) setChange {
	return func(s *v1alpha1.InstanceSet) { s.Spec.Templates = t }
}

func policyRef(name string) setChange {
	return func(s *v1alpha1.InstanceSet) { s.Spec.PlacementPolicyRef = &v1alpha1.PlacementPolicyRef{Name: name} }
}

func perNode(m intstr.IntOrString) setChange {
	return func(s *v1alpha1.InstanceSet) { s.Spec.Placement = &v1alpha1.PlacementLimits{MaxInstancesPerNode: &m} }
}

func withRoles(provider *v1alpha1.RoleProvider, list ...v1alpha1.InstanceRole) setChange {
	return func(s *v1alpha1.InstanceSet) { s.Spec.Roles, s.Spec.RoleProvider = list, provider }
}

func sentinels(addresses ...string) *v1alpha1.RoleProvider {
	return &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel, Sentinel: &v1alpha1.SentinelProvider{Addresses: addresses}}
}

// testContradictions: each rule of the API accepts what it should, and refuses the rest with a sentence that says what
// to change.
func testContradictions(t *testing.T, k kit) {
	ns := k.namespace(t, "rules")
	static, nowhere := &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}, &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderSentinel}
	master, replica := v1alpha1.InstanceRole{Name: v1alpha1.RoleMaster, Exclusive: true}, v1alpha1.InstanceRole{Name: v1alpha1.RoleReplica}
	shared, served := v1alpha1.InstanceRole{Name: v1alpha1.RoleMaster}, master
	served.Service = v1alpha1.RoleServicePerShard
	a, b := v1alpha1.InstanceTemplate{Name: "a", Replicas: ptr.To[int32](2)}, v1alpha1.InstanceTemplate{Name: "b", Replicas: ptr.To[int32](5)}
	for name, c := range map[string]struct {
		set  *v1alpha1.InstanceSet
		says string // empty: accepted
	}{
		"plain":                   {set(ns, "x", 3), ""},
		"enough ordinals":         {set(ns, "x", 4, ordinals(v1alpha1.Ordinals{Ranges: []v1alpha1.OrdinalRange{{Start: 5, End: 7}}, Discrete: []int32{1}})), ""},
		"too few ordinals":        {set(ns, "x", 5, ordinals(v1alpha1.Ordinals{Ranges: []v1alpha1.OrdinalRange{{Start: 5, End: 7}}, Discrete: []int32{1}})), "widen a range, or lower replicas"},
		"overlapping ranges":      {set(ns, "x", 3, ordinals(v1alpha1.Ordinals{Ranges: []v1alpha1.OrdinalRange{{Start: 0, End: 7}, {Start: 7, End: 9}}})), "ranges overlap"},
		"range backwards":         {set(ns, "x", 0, ordinals(v1alpha1.Ordinals{Ranges: []v1alpha1.OrdinalRange{{Start: 7, End: 5}}})), "start must not be greater than end"},
		"ordinal in a range too":  {set(ns, "x", 3, ordinals(v1alpha1.Ordinals{Ranges: []v1alpha1.OrdinalRange{{Start: 0, End: 7}}, Discrete: []int32{3}})), "also lies in a range"},
		"empty ordinals":          {set(ns, "x", 3, ordinals(v1alpha1.Ordinals{})), "ordinals must have ranges or discrete"},
		"shards":                  {set(ns, "x", 6, shards(3)), ""},
		"shardSize not dividing":  {set(ns, "x", 7, shards(3)), "must be a multiple of shardSize"},
		"templates":               {set(ns, "x", 7, templates(a, b)), ""},
		"duplicate template":      {set(ns, "x", 7, templates(a, a)), "names must be unique"},
		"templates too many":      {set(ns, "x", 6, templates(a, b)), "add up to more than replicas"},
		"two policies":            {set(ns, "x", 3, limits(1, 3), policyRef("p")), "not both"},
		"percentage":              {set(ns, "x", 3, perNode(intstr.FromString("10%"))), ""},
		"percentage out of range": {set(ns, "x", 3, perNode(intstr.FromString("110%"))), "percentage from 1% to 100%"},
		"limit of nothing":        {set(ns, "x", 3, perNode(intstr.FromInt32(0))), "number from 1 to 10000"},
		"long name":               {set(ns, strings.Repeat("x", 53), 3), "at most 52 characters"},
		"dotted name":             {set(ns, "x.y", 3), "DNS label"},
		"roles":                   {set(ns, "x", 6, shards(3), withRoles(static, master, replica)), ""},
		"roles without shards":    {set(ns, "x", 6, withRoles(static, master, replica)), "roles need shardSize"},
		"roles of nobody":         {set(ns, "x", 6, shards(3), withRoles(nil, master)), "come together"},
		"provider without roles":  {set(ns, "x", 6, shards(3), withRoles(static)), "come together"},
		"no master":               {set(ns, "x", 6, shards(3), withRoles(static, replica)), "need the role master"},
		"masters at once":         {set(ns, "x", 6, shards(3), withRoles(static, shared)), "the role master is exclusive"},
		"Sentinels nowhere":       {set(ns, "x", 6, shards(3), withRoles(nowhere, master)), "which needs it"},
		"Sentinels":               {set(ns, "x", 6, shards(3), withRoles(sentinels("s-0.s.shop.svc:26379", "[fd00::1]:26379"), master)), ""},
		"a Sentinel's host alone": {set(ns, "x", 6, shards(3), withRoles(sentinels("s-0.s.shop.svc"), master)), "an address is host:port"},
		"100 shards served":       {set(ns, "x", 300, shards(3), withRoles(static, served)), ""},
		"101 shards served":       {set(ns, "x", 303, shards(3), withRoles(static, served)), "at most 100 shards"},
		"long name with Services": {set(ns, strings.Repeat("x", 46), 6, shards(3), withRoles(static, served)), "at most 45 characters"},
		"volumes of one name": {set(ns, "x", 3, volumes, func(s *v1alpha1.InstanceSet) {
			s.Spec.VolumeClaimTemplates = append(s.Spec.VolumeClaimTemplates, s.Spec.VolumeClaimTemplates...)
		}), "names must be unique"},
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, k.client.Create(t.Context(), c.set, client.DryRunAll), c.says)
		})
	}
	t.Run("changes", func(t *testing.T) { testForbiddenChanges(t, k, ns) })
	t.Run("policies", func(t *testing.T) { testPolicyRules(t, k, ns) })
}

func expect(t *testing.T, err error, says string) {
	t.Helper()
	switch {
	case says == "" && err != nil:
		t.Errorf("refused: %v", err)
	case says != "" && err == nil:
		t.Errorf("accepted, wanted a refusal with %q", says)
	case says != "" && !strings.Contains(err.Error(), says):
		t.Errorf("refused with %q, wanted %q", err, says)
	}
}

func testForbiddenChanges(t *testing.T, k kit, ns string) {
	static := &v1alpha1.RoleProvider{Type: v1alpha1.RoleProviderStatic}
	before := set(ns, "stays", 6, shards(3), volumes, limits(3, 3), func(s *v1alpha1.InstanceSet) { s.Spec.Paused = true })
	withRoles(static, v1alpha1.InstanceRole{Name: v1alpha1.RoleMaster, Exclusive: true})(before)
	k.create(t, before)
	for name, c := range map[string]struct {
		change setChange
		says   string
	}{
		"replicas":         {func(s *v1alpha1.InstanceSet) { s.Spec.Replicas = ptr.To[int32](9) }, ""},
		"limits":           {limits(2, 4), ""},
		"shardSize":        {shards(2), "shardSize cannot be changed"},
		"roles gone":       {withRoles(nil), "roles cannot be removed"},
		"shardSize gone":   {func(s *v1alpha1.InstanceSet) { s.Spec.ShardSize = nil }, "shardSize cannot be changed"},
		"volume renamed":   {func(s *v1alpha1.InstanceSet) { s.Spec.VolumeClaimTemplates[0].Metadata.Name = "other" }, "cannot be renamed"},
		"volume gone":      {func(s *v1alpha1.InstanceSet) { s.Spec.VolumeClaimTemplates = nil }, "cannot be renamed, added, removed"},
		"volume changed":   {func(s *v1alpha1.InstanceSet) { s.Spec.VolumeClaimTemplates[0].Spec.StorageClassName = ptr.To("other") }, "existing volumes would not follow"},
		"placement gone":   {func(s *v1alpha1.InstanceSet) { s.Spec.Placement = nil }, "cannot move to another policy"},
		"policy of others": {func(s *v1alpha1.InstanceSet) { s.Spec.Placement = nil; policyRef("p")(s) }, "cannot move to another policy"},
	} {
		t.Run(name, func(t *testing.T) {
			var after v1alpha1.InstanceSet
			if err := k.get(t.Context(), ns, "stays", &after); err != nil {
				t.Fatal(err)
			}
			current := client.MergeFrom(after.DeepCopy())
			c.change(&after)
			expect(t, k.client.Patch(t.Context(), &after, current, client.DryRunAll), c.says)
		})
	}
}

func testPolicyRules(t *testing.T, k kit, ns string) {
	for name, c := range map[string]struct {
		spec v1alpha1.PlacementPolicySpec
		says string
	}{
		"replicas":       {v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](3)}, ""},
		"targets":        {v1alpha1.PlacementPolicySpec{ScaleTargetRefs: []v1alpha1.ScaleTargetRef{{Kind: "StatefulSet", Name: "a"}}}, ""},
		"neither":        {v1alpha1.PlacementPolicySpec{}, "exactly one of replicas and scaleTargetRefs"},
		"both":           {v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](3), ScaleTargetRefs: []v1alpha1.ScaleTargetRef{{Kind: "StatefulSet", Name: "a"}}}, "exactly one of replicas and scaleTargetRefs"},
		"unknown target": {v1alpha1.PlacementPolicySpec{ScaleTargetRefs: []v1alpha1.ScaleTargetRef{{Kind: "Deployment", Name: "a"}}}, "Unsupported value"},
		"mode":           {v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](3), PlacementLimits: v1alpha1.PlacementLimits{Mode: v1alpha1.PlacementBestEffort}}, ""},
		"other mode":     {v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](3), PlacementLimits: v1alpha1.PlacementLimits{Mode: "Loose"}}, "Unsupported value"},
		"other topology": {v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](3), PlacementLimits: v1alpha1.PlacementLimits{ShardSpread: []v1alpha1.ShardSpread{{TopologyKey: "zone", Max: 1}}}}, "Unsupported value"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &v1alpha1.PlacementPolicy{Spec: c.spec}
			p.Namespace, p.Name = ns, "p"
			expect(t, k.client.Create(t.Context(), p, client.DryRunAll), c.says)
		})
	}
	p := &v1alpha1.PlacementPolicy{Spec: v1alpha1.PlacementPolicySpec{Replicas: ptr.To[int32](3)}}
	p.Namespace, p.Name = ns, strings.Repeat("x", 64)
	expect(t, k.client.Create(t.Context(), p, client.DryRunAll), "at most 63 characters")
}
