package podspec

import (
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shoal-dev/shoal/api/v1alpha1"
)

// Keys of a Secret for TLS, as those of type kubernetes.io/tls have them.
const (
	RootsKey       = "ca.crt"
	CertificateKey = "tls.crt"
	PrivateKey     = "tls.key"
)

// passwordFile is the file of the password beside those.
const passwordFile = "password"

// login is one sort of server that the agent logs in to. Its Secrets are a volume of the agent's, and of no other container.
type login struct {
	what   string // of the volume shoal-agent-<what>, and of the folder
	prefix string // of the flags
	access *v1alpha1.RedisAccess
}

func (l login) volume() string { return AgentContainer + "-" + l.what }
func (l login) file(name string) string {
	return path.Join("/var/run/shoal", l.what, name)
}

func sentinel(set *v1alpha1.InstanceSet) *v1alpha1.SentinelProvider {
	if set.Spec.RoleProvider == nil {
		return nil
	}
	return set.Spec.RoleProvider.Sentinel
}

func logins(set *v1alpha1.InstanceSet) []login {
	var all []login
	if set.Spec.Redis != nil {
		all = append(all, login{what: "redis", access: set.Spec.Redis})
	}
	if s := sentinel(set); s != nil && s.Access != nil {
		all = append(all, login{what: "sentinel", prefix: "sentinel-", access: s.Access})
	}
	return all
}

// Names of the environment by which arguments say what is of the pod alone: so all agents of a revision are the same.
const (
	envPod   = "SHOAL_POD"
	envIP    = "SHOAL_POD_IP"
	envShard = "SHOAL_SHARD"
)

// accessArgs are how the agent reaches what asks for more than an address.
func accessArgs(set *v1alpha1.InstanceSet) []string {
	var args []string
	for _, l := range logins(set) {
		flag := func(name, value string) { args = append(args, "--"+l.prefix+name+"="+value) }
		if l.access.Username != "" {
			flag("username", l.access.Username)
		}
		if l.access.Password != nil {
			flag("password-file", l.file(passwordFile))
		}
		if t := l.access.TLS; t != nil {
			flag("tls", "true")
			flag("tls-ca-file", l.file(RootsKey))
			if t.ServerName != "" {
				flag("tls-server-name", t.ServerName)
			}
			if t.ClientCertificate {
				flag("tls-cert-file", l.file(CertificateKey))
				flag("tls-key-file", l.file(PrivateKey))
			}
		}
	}
	s := sentinel(set)
	if s == nil {
		return args
	}
	shard := strings.ReplaceAll(s.Monitor, "{shard}", "$("+envShard+")")
	if s.Monitor == "" { // as the API server has it by default
		shard = "$(" + envShard + ")"
	}
	return append(args,
		"--sentinels="+strings.Join(s.Addresses, ","), "--sentinel-shard="+shard,
		fmt.Sprintf("--announced-address=$(%s),$(%s).%s.%s.svc:%d", envIP, envPod, set.Name, set.Namespace, int(EnginePort(set))))
}

func agentEnv(set *v1alpha1.InstanceSet) []corev1.EnvVar {
	if sentinel(set) == nil {
		return nil
	}
	var env []corev1.EnvVar
	for _, v := range [][2]string{{envPod, "metadata.name"}, {envIP, "status.podIP"}, {envShard, "metadata.labels['" + v1alpha1.LabelShard + "']"}} {
		env = append(env, corev1.EnvVar{Name: v[0], ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: v[1]}}})
	}
	return env
}

func accessMounts(set *v1alpha1.InstanceSet) []corev1.VolumeMount {
	var mounts []corev1.VolumeMount
	for _, l := range logins(set) {
		mounts = append(mounts, corev1.VolumeMount{Name: l.volume(), MountPath: l.file(""), ReadOnly: true})
	}
	return mounts
}

// accessVolumes have the Secrets. One that is not there holds up no instance: its agent says what is missing, and reads it when it
// comes.
func accessVolumes(set *v1alpha1.InstanceSet) []corev1.Volume {
	var volumes []corev1.Volume
	for _, l := range logins(set) {
		projected := &corev1.ProjectedVolumeSource{}
		add := func(secret string, items ...corev1.KeyToPath) {
			projected.Sources = append(projected.Sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Items: items, Optional: new(true),
			}})
		}
		if p := l.access.Password; p != nil {
			add(p.Name, corev1.KeyToPath{Key: PasswordKey(p), Path: passwordFile})
		}
		if t := l.access.TLS; t != nil {
			items := []corev1.KeyToPath{{Key: RootsKey, Path: RootsKey}}
			if t.ClientCertificate {
				items = append(items, corev1.KeyToPath{Key: CertificateKey, Path: CertificateKey}, corev1.KeyToPath{Key: PrivateKey, Path: PrivateKey})
			}
			add(t.SecretName, items...)
		}
		volumes = append(volumes, corev1.Volume{Name: l.volume(), VolumeSource: corev1.VolumeSource{Projected: projected}})
	}
	return volumes
}

// PasswordKey is the key of the password in its Secret.
func PasswordKey(p *v1alpha1.SecretKey) string {
	if p.Key == "" { // as the API server has it by default
		return passwordFile
	}
	return p.Key
}
