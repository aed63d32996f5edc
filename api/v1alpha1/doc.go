// Package v1alpha1 is the contract between Shoal and its users: the kinds InstanceSet, PlacementPolicy and
// Switchover, the label and annotation keys, the condition types. It imports k8s.io/api and k8s.io/apimachinery only, and decides
// nothing.
//
// +kubebuilder:object:generate=true
// +groupName=shoal.dev
package v1alpha1
