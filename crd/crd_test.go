package crd

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/shoal-dev/shoal/manifests"
)

func TestJudge(t *testing.T) {
	kinds, err := Load(manifests.Files)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, kinds, "PlacementPolicy", map[string]string{
		"spec: {replicas: 1}":                       "",
		"spec: {replicas: 1, node: {x: 1}}":         "unknown spec.node",
		"spec: {replicas: -1}":                      "should be greater than or equal to 0",
		"spec: {maxNodes: 1}":                       "set exactly one of replicas and scaleTargetRefs",
		"spec: {replicas: 1}\nstatus: {nothing: 1}": "unknown status.nothing",
	})
}

// Sentinels are reached at host:port, and Secrets are named and never written out.
func TestSentinelsAndSecrets(t *testing.T) {
	kinds, err := Load(manifests.Files)
	if err != nil {
		t.Fatal(err)
	}
	set := func(sentinel, more string) string {
		return "spec: {replicas: 3, shardSize: 3, roles: [{name: master, exclusive: true}], template: {spec: {containers: [{name: redis}]}}, " +
			"roleProvider: {type: Sentinel, sentinel: {" + sentinel + "}}" + more + "}"
	}
	at := func(address string) string { return set("addresses: [\""+address+"\"]", "") }
	const good, wrong = "addresses: [\"s-0.s.shop.svc:26379\"]", "an address is host:port"
	judge(t, kinds, "InstanceSet", map[string]string{
		at("s-0.s.shop.svc:26379"): "", at("10.0.0.7:1"): "", at("[fd00::1]:65535"): "", at("s:26379"): "",
		at("s-0"): wrong, at(":26379"): wrong, at("s-0:0"): wrong, at("s-0:65536"): wrong, at("s-0:99999"): wrong, at("fd00::1:26379"): wrong,
		at("redis://s-0:26379"): wrong, at("s 0:26379"): wrong, at("a,b:26379"): wrong, at("s-0:26379,b:1"): wrong, at("$(HOST):26379"): wrong, at("s-0:026379"): wrong,
		set(good+", access: {password: {name: auth}}", ", redis: {username: agent, password: {name: auth, key: agent}, tls: {secretName: tls, clientCertificate: true, serverName: orders}}"): "",
		set(good+", access: {username: u}", ""):                         "username needs password",
		set(good, ", redis: {username: u}"):                             "username needs password",
		set(good, ", redis: {username: \"$(X)\", password: {name: a}}"): "username",
		set(good, ", redis: {password: {value: hunter2}}"):              "unknown spec.redis.password.value",
		set(good, ", redis: {password: {name: a, key: \"a/b\"}}"):       "key",
		set(good, ", redis: {tls: {}}"):                                 "secretName",
	})
}

func judge(t *testing.T, kinds []*Kind, kind string, cases map[string]string) {
	t.Helper()
	i := slices.IndexFunc(kinds, func(k *Kind) bool { return k.GVK.Kind == kind })
	for text, want := range cases {
		u := &unstructured.Unstructured{}
		object, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(object, &u.Object); err != nil { // not yaml's: it makes floats of all numbers
			t.Fatal(err)
		}
		u.SetGroupVersionKind(kinds[i].GVK)
		u.SetName("p")
		u.SetNamespace("ns")
		unknown, wrong := kinds[i].Judge(t.Context(), u)
		got := strings.Join(unknown, ", ")
		if got != "" {
			got = "unknown " + got
		}
		if wrong != nil {
			got += wrong.ToAggregate().Error()
		}
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
