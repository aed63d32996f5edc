package signer

import (
	"crypto/x509"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shoal-dev/shoal/api/v1alpha1"
	"github.com/shoal-dev/shoal/podspec"
	"github.com/shoal-dev/shoal/reason"
)

// facts are what is known of the pod that a request names. What is nil is not there.
type facts struct {
	pod     *corev1.Pod
	node    *corev1.Node
	account *metav1.PartialObjectMetadata
	set     *v1alpha1.InstanceSet
}

// rule is one that every request must keep. It says what is wrong, or "".
type rule struct {
	code  reason.Code
	wrong func(*certificatesv1.PodCertificateRequest, facts) string
}

// rules in the order in which they are told: each may rest on those before.
var rules = []rule{
	{reason.UnverifiedAnnotations, foreignAnnotations},
	{reason.UnsupportedKeyType, unsupportedKey},
	{reason.DenyPod, wrongPod},
	{reason.DenyEnded, endedPod},
	{reason.DenyNode, wrongNode},
	{reason.DenyAccount, wrongAccount},
	{reason.DenyOwner, wrongOwner},
	{reason.DenyWithoutAgent, withoutAgent},
}

// judge returns the first rule that the request breaks with what is wrong, or 0.
func judge(r *certificatesv1.PodCertificateRequest, f facts) (reason.Code, string) {
	for _, rule := range rules {
		if wrong := rule.wrong(r, f); wrong != "" {
			return rule.code, wrong
		}
	}
	return 0, ""
}

// passing reports whether what is wrong may pass: the pod is where the request says, and as whom, and a Node or ServiceAccount of that name is
// not there, or another one is. It may just be made anew, and the kubelet's next request will name the new one. A denial would be for
// as long as the pod lives, and would take a certificate that it has and that is valid.
func passing(code reason.Code, r *certificatesv1.PodCertificateRequest, f facts) bool {
	switch code {
	case reason.DenyNode:
		return f.pod.Spec.NodeName == string(r.Spec.NodeName)
	case reason.DenyAccount:
		return f.pod.Spec.ServiceAccountName == r.Spec.ServiceAccountName
	}
	return false
}

// foreignAnnotations: the author of the pod asks for something in words that this signer does not know.
func foreignAnnotations(r *certificatesv1.PodCertificateRequest, _ facts) string {
	if n := len(r.Spec.UnverifiedUserAnnotations); n > 0 {
		return fmt.Sprintf("it has %d userAnnotations, and this signer takes none", n)
	}
	return ""
}

func unsupportedKey(r *certificatesv1.PodCertificateRequest, _ facts) string {
	csr, err := x509.ParseCertificateRequest(r.Spec.StubPKCS10Request)
	switch {
	case err != nil:
		return "the request for a certificate cannot be read"
	case csr.CheckSignature() != nil: // the API server has looked; whoever got it past that does not get past here
		return "the request for a certificate is not signed with its key"
	case !supports(csr.PublicKey):
		return "want ECDSAP256, ECDSAP384 or ED25519"
	}
	return ""
}

func wrongPod(r *certificatesv1.PodCertificateRequest, f facts) string {
	switch {
	case f.pod == nil:
		return "there is no pod " + r.Spec.PodName
	case f.pod.UID != r.Spec.PodUID:
		return fmt.Sprintf("the pod %s has the UID %s, not %s", r.Spec.PodName, f.pod.UID, r.Spec.PodUID)
	}
	return ""
}

// endedPod: nothing of it may speak for the instance any more.
func endedPod(r *certificatesv1.PodCertificateRequest, f facts) string {
	switch {
	case f.pod.Status.Phase == corev1.PodFailed || f.pod.Status.Phase == corev1.PodSucceeded:
		return fmt.Sprintf("the pod %s has ended", r.Spec.PodName)
	case f.pod.Labels[v1alpha1.LabelLost] != "":
		return fmt.Sprintf("the instance %s is declared lost", r.Spec.PodName)
	}
	return ""
}

func wrongNode(r *certificatesv1.PodCertificateRequest, f facts) string {
	switch {
	case f.pod.Spec.NodeName != string(r.Spec.NodeName):
		return fmt.Sprintf("the pod is on the node %q, not on %q", f.pod.Spec.NodeName, r.Spec.NodeName)
	case f.node == nil:
		return fmt.Sprintf("there is no node %s", r.Spec.NodeName)
	case f.node.UID != r.Spec.NodeUID:
		return fmt.Sprintf("the node %s has the UID %s, not %s", r.Spec.NodeName, f.node.UID, r.Spec.NodeUID)
	}
	return ""
}

func wrongAccount(r *certificatesv1.PodCertificateRequest, f facts) string {
	switch {
	case f.pod.Spec.ServiceAccountName != r.Spec.ServiceAccountName:
		return fmt.Sprintf("the pod has the ServiceAccount %q, not %q", f.pod.Spec.ServiceAccountName, r.Spec.ServiceAccountName)
	case f.account == nil:
		return fmt.Sprintf("there is no ServiceAccount %s", r.Spec.ServiceAccountName)
	case f.account.UID != r.Spec.ServiceAccountUID:
		return fmt.Sprintf("the ServiceAccount %s has the UID %s, not %s", r.Spec.ServiceAccountName, f.account.UID, r.Spec.ServiceAccountUID)
	}
	return ""
}

// ownerOf is the name of the InstanceSet that says it controls the pod; "" if none does.
func ownerOf(pod *corev1.Pod) (string, metav1.OwnerReference) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil {
		return "", metav1.OwnerReference{}
	}
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	if err != nil || version.Group != v1alpha1.GroupName || owner.Kind != "InstanceSet" {
		return "", *owner
	}
	return owner.Name, *owner
}

// wrongOwner: the pod is no instance of a set. Kind, group and UID of the owner must be right, and name and labels those that
// the set gives to its instance.
func wrongOwner(_ *certificatesv1.PodCertificateRequest, f facts) string {
	name, owner := ownerOf(f.pod)
	switch {
	case name == "":
		return fmt.Sprintf("no InstanceSet controls the pod (its owner is %q)", owner.Kind)
	case f.set == nil:
		return fmt.Sprintf("there is no InstanceSet %s", name)
	case f.set.UID != owner.UID:
		return fmt.Sprintf("the InstanceSet %s has the UID %s, not %s", name, f.set.UID, owner.UID)
	case f.pod.Labels[v1alpha1.LabelInstanceSet] != name || f.pod.Name != name+"-"+f.pod.Labels[v1alpha1.LabelOrdinal]:
		return fmt.Sprintf("name and labels of the pod are not those of an instance of %s", name)
	}
	return ""
}

// withoutAgent: nothing in the pod is to show a certificate.
func withoutAgent(r *certificatesv1.PodCertificateRequest, f facts) string {
	if !podspec.HasAgent(f.pod) {
		return fmt.Sprintf("the pod %s has no container %s that Shoal has put there", r.Spec.PodName, podspec.AgentContainer)
	}
	return ""
}
