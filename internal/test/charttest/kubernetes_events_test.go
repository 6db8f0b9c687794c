package charttest

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

const events = "kubernetesEvents: {enabled: true}\n"

// kubernetesEvents.enabled creates a Role that may only create Events and a ServiceAccount. Otherwise there are neither, and no token.
func TestKubernetesEvents_Modes_CreateRole(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"hook", "job", "argocd"} {
		for _, release := range []string{"booking", strings.Repeat("r", 53)} {
			r, err := Render(chartDir, Options{Release: release, Values: parse(t, withURL+events+"networkPolicy: {enabled: true}\nprometheusRule: {enabled: true}\nmode: "+mode)})
			require.NoError(t, err)
			assertValidObjects(t, r)
			role, err := Find[*rbacv1.Role](r, "")
			require.NoError(t, err)
			assert.Equal(t, []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}}}, role.Rules)
			binding, err := Find[*rbacv1.RoleBinding](r, "")
			require.NoError(t, err)
			assert.Equal(t, rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: role.Name}, binding.RoleRef)
			account, err := Find[*corev1.ServiceAccount](r, "")
			require.NoError(t, err)
			assert.False(t, *account.AutomountServiceAccountToken)
			assert.Equal(t, []rbacv1.Subject{{Kind: "ServiceAccount", Name: account.Name, Namespace: "shop"}}, binding.Subjects)
			pod := job(t, r, "").Spec.Template.Spec
			assert.Equal(t, account.Name, pod.ServiceAccountName)
			assert.True(t, *pod.AutomountServiceAccountToken)
			assertRestricted(t, mode, pod)
			for weight, annotations := range map[string]map[string]string{"-20": role.Annotations, "-15": binding.Annotations} {
				assert.Equal(t, mode == "hook", annotations["helm.sh/hook-weight"] == weight, mode)
				assert.Equal(t, mode == "argocd", annotations["argocd.argoproj.io/sync-wave"] == weight, mode)
			}
			if test, err := Find[*corev1.Pod](r, ""); mode != "argocd" {
				require.NoError(t, err)
				assert.False(t, *test.Spec.AutomountServiceAccountToken)
				assert.Empty(t, test.Spec.ServiceAccountName)
			}
		}
	}
	without := render(t, withURL)
	_, err := Find[*rbacv1.Role](without, "")
	require.Error(t, err)
	_, err = Find[*corev1.ServiceAccount](without, "")
	require.Error(t, err)
}

// With serviceAccount.name, the RoleBinding refers to that account, and no other account is created.
func TestKubernetesEvents_ServiceAccountName_BindsIt(t *testing.T) {
	t.Parallel()
	r := render(t, withURL+events+"serviceAccount: {name: '{{ .Release.Name }}-cloud'}")
	binding, err := Find[*rbacv1.RoleBinding](r, "")
	require.NoError(t, err)
	assert.Equal(t, "booking-cloud", binding.Subjects[0].Name)
	_, err = Find[*corev1.ServiceAccount](r, "")
	require.Error(t, err)
	assert.Equal(t, "booking-cloud", job(t, r, "").Spec.Template.Spec.ServiceAccountName)
	pod, err := Find[*corev1.Pod](r, "")
	require.NoError(t, err)
	assert.Equal(t, "booking-cloud", pod.Spec.ServiceAccountName, "the password may be the token of that account")
	assert.False(t, *pod.Spec.AutomountServiceAccountToken)
}

// A hook and an ordinary object with the same name would conflict.
func TestKubernetesEvents_HookAndJob_NamesDiffer(t *testing.T) {
	t.Parallel()
	names := map[string][]string{}
	for _, mode := range []string{"hook", "job"} {
		objects, err := Normalize(render(t, withURL+events+"networkPolicy: {enabled: true}\nmode: "+mode).Template())
		require.NoError(t, err)
		for name := range objects {
			if !strings.HasPrefix(name, "Pod/") {
				names[mode] = append(names[mode], name)
			}
		}
	}
	require.Len(t, names["hook"], 6)
	for _, name := range names["hook"] {
		assert.False(t, slices.Contains(names["job"], name), name)
	}
}

// The notes list all objects of hooks, which remain after an uninstall.
func TestNotes_Hooks_ListAllObjects(t *testing.T) {
	t.Parallel()
	for _, account := range []string{"", "serviceAccount: {name: mine}\n"} {
		r := render(t, withURL+events+account+"networkPolicy: {enabled: true}")
		for _, h := range r.Hooks {
			assert.Contains(t, r.Info.Notes, " "+strings.ToLower(h.Kind)+"/"+h.Name, account)
		}
		assert.Equal(t, account == "", strings.Contains(r.Info.Notes, "serviceaccount/"))
	}
}

// With mode: initContainer, the pods have the application's account.
func TestKubernetesEvents_InitContainer_IsRefused(t *testing.T) {
	t.Parallel()
	_, err := renderPods(t, "initContainer", "", withExistingSecret+events+"mode: initContainer")
	require.ErrorContains(t, err, "shiplock.kubernetesEvents.enabled with shiplock.mode: initContainer requires the ServiceAccount of the application's pods: set shiplock.serviceAccount.name to it")
	for values, want := range map[string]string{
		"networkPolicy: {enabled: true}":  "shiplock.networkPolicy.enabled is not supported with shiplock.mode: initContainer",
		"prometheusRule: {enabled: true}": "shiplock.prometheusRule.enabled is not supported with shiplock.mode: initContainer",
	} {
		_, err := renderPods(t, "initContainer", "", withExistingSecret+"mode: initContainer\n"+values)
		require.ErrorContains(t, err, want)
	}
}
