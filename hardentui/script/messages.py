"""What a script says, in both languages: one table is chosen when it is rendered.

The texts are formats of printf with ``%s`` only, in the order of the arguments that the runtime gives.
"""

from __future__ import annotations

from typing import Final

from hardentui.model import Text

MESSAGES: Final = {
    "usage": Text("usage: sudo bash SCRIPT [VERB]", "usage : sudo bash SCRIPT [VERBE]"),
    "usage-review": Text(
        "  review                what would change; changes nothing (the default)",
        "  review                ce qui changerait ; ne change rien (par défaut)",
    ),
    "usage-apply": Text(
        "  apply                 do it; --deadline SECONDS (30 to 3600, else 120) to confirm in,\n"
        "                        --without-guard when nothing may watch over the way in",
        "  apply                 appliquer ; --deadline SECONDES (30 à 3600, sinon 120) pour confirmer,\n"
        "                        --without-guard si rien ne doit veiller sur l'accès",
    ),
    "usage-confirm": Text(
        "  confirm               keep it, over a new ssh login; --from-console at the machine itself",
        "  confirm               garder, par une nouvelle connexion ssh ; --from-console sur la machine même",
    ),
    "usage-rollback": Text(
        "  rollback              restore what was there. Where others changed it since:\n"
        "                        --force STEP restores it all the same, --keep STEP leaves it as it is now",
        "  rollback              rétablir ce qui était là. Si d'autres l'ont modifié depuis :\n"
        "                        --force ÉTAPE rétablit quand même, --keep ÉTAPE laisse comme c'est",
    ),
    "usage-status": Text(
        "  status                what is applied, drifted, undone, waiting (then it exits with 4)",
        "  status                ce qui est appliqué, dérivé, annulé, en attente (alors son code est 4)",
    ),
    "usage-exit": Text(
        "exit status: 0 all is well; 1 a step failed (apply: all was undone); 2 usage;\n"
        "             3 refused, or waits at a checkpoint: nothing done; 75 another run holds the lock;\n"
        "             4 others changed something, or a run waits: for confirm, or for rollback since\n"
        "             not all could be undone",
        "code de sortie : 0 tout va bien ; 1 une étape a échoué (apply : tout a été annulé) ; 2 usage ;\n"
        "                 3 refus, ou attente à un point de contrôle : rien fait ; 75 verrou déjà pris ;\n"
        "                 4 d'autres ont modifié quelque chose, ou une exécution attend : confirm, ou\n"
        "                 rollback si tout n'a pu être annulé",
    ),
    "review-not-root": Text(
        "Not as root: what only root can read shows as unexpected. Run it as root (sudo).",
        "Sans root, ce que seul root peut lire apparaît comme inattendu. À lancer en root (sudo).",
    ),
    "about": Text("Plan for %s, %s steps.", "Plan pour %s, %s étapes."),
    "decision": Text("- %s: %s", "- %s : %s"),
    "review-made": Text("step %s: %s is already so", "étape %s : %s est déjà ainsi"),
    "review-todo": Text("step %s: %s (for %s)", "étape %s : %s (pour %s)"),
    "review-value": Text("    %s -> %s", "    %s -> %s"),
    "review-reload": Text("    systemd reads its files again", "    systemd relit ses fichiers"),
    "review-check": Text("    findmnt --verify judges the file", "    findmnt --verify juge le fichier"),
    "review-syntax": Text("    %s judges its own files", "    %s juge ses propres fichiers"),
    "review-restart": Text(
        "    %s is restarted: its work is interrupted", "    %s est redémarré : son travail est interrompu"
    ),
    "not-running": Text("%s does not stay up", "%s ne reste pas en marche"),
    "review-audit": Text(
        "    the kernel audits by the rules of the folder",
        "    le noyau audite selon les règles du répertoire",
    ),
    "review-firewall": Text(
        "    nft checks %s and loads it; no other table is touched",
        "    nft vérifie %s et le charge ; aucune autre table n'est touchée",
    ),
    "review-holder": Text(
        "    %s loads these files: what the policy does not name is closed, by whomever it was opened;"
        " and rules that shut something out (deny, reject, limit) go, too",
        "    %s charge ces fichiers : ce que la politique ne nomme pas est fermé, quel qu'en soit l'auteur ;"
        " et les règles qui excluaient quelque chose (deny, reject, limit) partent aussi",
    ),
    "holder-differs": Text(
        "what %s has loaded is not what its files say: loading them would lose it",
        "ce que %s a chargé n'est pas ce que disent ses fichiers : les charger le perdrait",
    ),
    "holder-missing": Text(
        "the program that loads the files of %s was not found",
        "le programme qui charge les fichiers de %s est introuvable",
    ),
    "audit-off": Text(
        "the kernel does not audit, or does not say so: %s", "le noyau n'audite pas, ou ne le dit pas : %s"
    ),
    "audit-locked": Text(
        "step %s: the audit rules are locked: the files count from the next reboot on",
        "étape %s : les règles d'audit sont verrouillées : les fichiers valent au prochain redémarrage",
    ),
    "review-service": Text("    %s reads its files again", "    %s relit ses fichiers"),
    "review-one-way": Text(
        "    made at confirm only: nothing takes it back before a reboot",
        "    fait seulement à confirm : rien ne l'annule avant un redémarrage",
    ),
    "by-hand": Text("By hand:", "À la main :"),
    "will-need-confirm": Text(
        "Steps can lock you out: apply must be confirmed over a new login, or it is taken back.",
        "Des étapes peuvent couper l'accès : apply se confirme d'une nouvelle connexion, ou est annulé.",
    ),
    "key-gone": Text(
        "step %s: %s does not exist here (any more): skipped",
        "étape %s : %s n'existe pas (ou plus) ici : sautée",
    ),
    "unexpected": Text(
        "step %s: %s is not what the plan saw. Now: %s. Seen: %s. (%s)",
        "étape %s : %s n'est pas ce que le plan a vu. Maintenant : %s. Vu : %s. (%s)",
    ),
    "unexpected-lines": Text(
        "step %s: %s is not what the plan saw. The line to replace (%s) stands there %s times, "
        "the new line (%s) %s times. (%s)",
        "étape %s : %s n'est pas ce que le plan a vu. La ligne à remplacer (%s) y est %s fois, "
        "la nouvelle (%s) %s fois. (%s)",
    ),
    "unsafe": Text(
        "step %s: %s: others than root can change %s",
        "étape %s : %s : d'autres que root peuvent modifier %s",
    ),
    "nothing-done": Text(
        "Refused: nothing was changed. Assess the host again and write a new plan.",
        "Refus : rien n'a été modifié. Réévaluez l'hôte et écrivez un nouveau plan.",
    ),
    "nothing-to-do": Text("Everything is already so: nothing to do.", "Tout est déjà ainsi : rien à faire."),
    "running-copy": Text(
        "Script sha256 %s, run from root's own copy %s",
        "Script sha256 %s, exécuté depuis la copie de root %s",
    ),
    "step-done": Text("step %s: %s: done", "étape %s : %s : faite"),
    "step-failed": Text("step %s: %s: FAILED", "étape %s : %s : ÉCHEC"),
    "step-waits": Text(
        "step %s: %s: waits at a checkpoint; nothing was changed",
        "étape %s : %s : attend à un point de contrôle ; rien n'a été modifié",
    ),
    "reason": Text("    because: %s", "    cause : %s"),
    "reads-back": Text("what stands there now is: %s", "il y a maintenant : %s"),
    "fstab-errors": Text("findmnt --verify finds errors:", "findmnt --verify trouve des erreurs :"),
    "syntax-errors": Text("%s finds errors:", "%s trouve des erreurs :"),
    "syntax-endless": Text(
        "%s did not get through its own files in a minute: is one of them a FIFO, or without end?",
        "%s n'a pas fini de lire ses propres fichiers en une minute : l'un est-il un FIFO, ou sans fin ?",
    ),
    "one-way-done": Text(
        "step %s: %s: done, until the next reboot at least",
        "étape %s : %s : faite, au moins jusqu'au prochain redémarrage",
    ),
    "applied": Text(
        "Applied. Keep it: sudo bash %s confirm",
        "Appliqué. Pour garder : sudo bash %s confirm",
    ),
    "applied-guarded": Text(
        "Applied. In %s seconds all is taken back, unless you log in anew and run: sudo bash %s confirm",
        "Appliqué. Dans %s secondes tout est annulé, sauf si vous vous reconnectez et lancez : "
        "sudo bash %s confirm",
    ),
    "applied-one-way": Text(
        "One-way steps wait: confirm makes them.",
        "Des étapes sans retour attendent : confirm les fait.",
    ),
    "kept": Text("Kept.", "Gardé."),
    "all-after": Text("All is as this run left it.", "Tout est comme cette exécution l'a laissé."),
    "waiting-confirm": Text("Waiting: sudo bash %s confirm", "En attente : sudo bash %s confirm"),
    "waiting-rollback": Text("Cut short: sudo bash %s rollback", "Interrompu : sudo bash %s rollback"),
    "waiting-choice": Text(
        "Not all was restored: sudo bash %s rollback, with --force STEP or --keep STEP for each that is left",
        "Tout n'est pas rétabli : sudo bash %s rollback, avec --force ÉTAPE ou --keep ÉTAPE pour le reste",
    ),
    "drifted": Text(
        "step %s: %s was changed since by others; now: %s",
        "étape %s : %s a été modifié depuis par d'autres ; maintenant : %s",
    ),
    "without-guard": Text(
        "WITHOUT A GUARD: if this locks you out, nobody takes it back.",
        "SANS VEILLE : si ceci vous coupe l'accès, personne ne l'annule.",
    ),
    "no-guard": Text(
        "Refused: steps can lock you out and systemd does not run here, so nothing would take them back. "
        "To do it all the same: apply --without-guard",
        "Refus : des étapes peuvent couper l'accès et systemd ne tourne pas ici, rien ne les annulerait. "
        "Pour le faire quand même : apply --without-guard",
    ),
    "guard-failed": Text(
        "Refused: the guard that takes it back does not run.",
        "Refus : la veille qui annulerait ne tourne pas.",
    ),
    "undoing": Text("Taking back what was made.", "Annulation de ce qui a été fait."),
    "undone-but": Text(
        "All is as it was before, but for what was left as it is, or needs a reboot: see above, or status.",
        "Tout est comme avant, sauf ce qui a été laissé ou attend un redémarrage : voir ci-dessus ou status.",
    ),
    "undone-all": Text("All is as it was before.", "Tout est comme avant."),
    "undone-partly": Text(
        "NOT all is as it was before, see above; then: sudo bash %s rollback",
        "TOUT n'est PAS comme avant, voir ci-dessus ; puis : sudo bash %s rollback",
    ),
    "step-undone": Text("step %s: %s: undone", "étape %s : %s : annulée"),
    "undo-failed": Text(
        "step %s: %s could NOT be restored",
        "étape %s : %s n'a PAS pu être rétabli",
    ),
    "target-gone": Text(
        "step %s: %s is gone: nothing to restore",
        "étape %s : %s a disparu : rien à rétablir",
    ),
    "selinux-relabel": Text(
        "/.autorelabel waits: start the machine anew, so that every file gets its label, then apply again",
        "/.autorelabel attend : redémarrez la machine, pour que chaque fichier reçoive son étiquette, puis "
        "relancez apply",
    ),
    "selinux-unlabelled": Text(
        "%s has no label of the policy: restorecon gives it one; where many files have none, touch "
        "/.autorelabel and start the machine anew. Then apply again",
        "%s n'a pas d'étiquette de la politique : restorecon lui en donne une ; si beaucoup de fichiers n'en "
        "ont pas, touch /.autorelabel et redémarrez la machine. Puis relancez apply",
    ),
    "selinux-no-log": Text(
        "what SELinux would have denied cannot be read (journalctl fails)",
        "ce que SELinux aurait refusé ne peut pas être lu (journalctl échoue)",
    ),
    "selinux-denials": Text(
        "Since this start SELinux would have denied (domain, class, permissions, type):",
        "Depuis ce démarrage, SELinux aurait refusé (domaine, classe, permissions, type) :",
    ),
    "selinux-look": Text(
        "look at the denials above (ausearch -m AVC -ts boot). Where a service of yours needs "
        "one of them, mend its labels or the policy first. Then apply again: what was shown now stops it no "
        "more",
        "examinez les refus ci-dessus (ausearch -m AVC -ts boot). Si un service en a "
        "besoin, corrigez d'abord ses étiquettes ou la politique. Puis relancez apply : ce qui vient d'être "
        "montré ne l'arrêtera plus",
    ),
    "needs-reboot": Text(
        "step %s: %s cannot be taken back before a reboot",
        "étape %s : %s ne peut être annulé avant un redémarrage",
    ),
    "conflict": Text(
        "step %s: %s was changed by others and is kept. Now: %s. Ours: %s. Before: %s",
        "étape %s : %s a été modifié par d'autres et reste. Maintenant : %s. Par nous : %s. Avant : %s",
    ),
    "conflict-choice": Text(
        "    to restore it all the same: rollback --force %s; to leave it as it is: rollback --keep %s",
        "    pour rétablir quand même : rollback --force %s ; pour laisser comme c'est : rollback --keep %s",
    ),
    "conflict-foreign": Text(
        "    another file system is mounted there; unmount it, or leave it as it is: rollback --keep %s",
        "    un autre système de fichiers y est monté ; démontez-le, ou laissez-le : rollback --keep %s",
    ),
    "left": Text(
        "step %s: %s is left as it is now: %s",
        "étape %s : %s reste comme maintenant : %s",
    ),
    "set-aside": Text(
        "step %s: %s: the version of others is kept in %s",
        "étape %s : %s : la version des autres est gardée dans %s",
    ),
    "save-failed": Text(
        "What stands there now cannot be saved in %s (disk full, read-only?).",
        "Ce qui est en place ne peut être sauvegardé dans %s (disque plein, lecture seule ?).",
    ),
    "journal-failed": Text(
        "The journal cannot be written (disk full, read-only?); undoing goes on.",
        "Le journal ne peut être écrit (disque plein, lecture seule ?) ; l'annulation continue.",
    ),
    "disarm-failed": Text("The guard could not be removed: %s", "La veille n'a pas pu être retirée : %s"),
    "taken-back": Text(
        "hardentui: nobody confirmed on %s: all is as it was before.",
        "hardentui : personne n'a confirmé sur %s : tout est comme avant.",
    ),
    "taken-back-partly": Text(
        "hardentui: nobody confirmed on %s, and NOT all could be taken back: sudo bash %s status",
        "hardentui : personne n'a confirmé sur %s, et TOUT n'a PAS pu être annulé : sudo bash %s status",
    ),
    "no-runs": Text("Nothing was applied on this host.", "Rien n'a été appliqué sur cet hôte."),
    "run-state": Text("run %s: %s", "exécution %s : %s"),
    "steps-of": Text("Steps of %s:", "Étapes de %s :"),
    "step-state": Text("step %s: %s: %s", "étape %s : %s : %s"),
    "not-applied": Text(
        "This script is not applied here (%s).",
        "Ce script n'est pas appliqué ici (%s).",
    ),
    "run-open": Text(
        "Refused: run %s is %s and must end first: sudo bash %s status",
        "Refus : l'exécution %s est %s et doit finir d'abord : sudo bash %s status",
    ),
    "spent-copy": Text(
        "Refused: run %s was rolled back and is over. To apply again, run the script itself, not this copy.",
        "Refus : l'exécution %s est annulée et finie. Pour réappliquer, lancez le script même, pas sa copie.",
    ),
    "other-script": Text(
        "Refused: the newest run, %s, is of another script: %s",
        "Refus : la dernière exécution, %s, est d'un autre script : %s",
    ),
    "not-newest": Text(
        "Refused: a later run, %s, must be rolled back first: %s",
        "Refus : une exécution plus récente, %s, doit être annulée d'abord : %s",
    ),
    "other-boot": Text(
        "Refused: the host was rebooted since apply: it counts as not confirmed. Roll back, and apply again.",
        "Refus : l'hôte a redémarré depuis apply : c'est non confirmé. Annulez et appliquez de nouveau.",
    ),
    "no-console": Text(
        "Refused: this is not a console of the machine itself.",
        "Refus : ceci n'est pas une console de la machine même.",
    ),
    "no-ssh": Text(
        "Refused: this session does not come over ssh (no tmux, screen or systemd-run). "
        "Log in anew, or use confirm --from-console at the machine.",
        "Refus : cette session ne vient pas de ssh (ni tmux, ni screen, ni systemd-run). "
        "Reconnectez-vous, ou confirm --from-console sur la machine.",
    ),
    "old-login": Text(
        "Refused: this connection is older than the changes and proves nothing. Log in anew, "
        "without a shared connection.",
        "Refus : cette connexion est plus ancienne que les changements et ne prouve rien. "
        "Reconnectez-vous, sans connexion partagée.",
    ),
    "own-address": Text(
        "Refused: this connection comes from the machine itself and does not cross the firewall.",
        "Refus : cette connexion vient de la machine même et ne traverse pas le pare-feu.",
    ),
    "not-root": Text("Refused: run it as root (sudo).", "Refus : à lancer en root (sudo)."),
    "wrong-host": Text(
        "Refused: this script is for another machine, %s.",
        "Refus : ce script est pour une autre machine, %s.",
    ),
    "untrusted-script": Text(
        "Refused: others can change %s. Copy it: install -m 0700 SCRIPT /root/",
        "Refus : d'autres peuvent modifier %s. Copiez-le : install -m 0700 SCRIPT /root/",
    ),
    "untrusted-folder": Text(
        "Refused: %s belongs to others, or others can write there.",
        "Refus : %s appartient à d'autres, ou d'autres peuvent y écrire.",
    ),
    "unreadable": Text("Refused: %s cannot be read.", "Refus : %s est illisible."),
    "damaged": Text(
        "Refused: the journal %s is damaged in line %s; a person must look.",
        "Refus : le journal %s est abîmé à la ligne %s ; une personne doit regarder.",
    ),
    "damaged-unattended": Text(
        "hardentui: the journal %s is damaged; what could lock out is restored from what was saved.",
        "hardentui : le journal %s est abîmé ; ce qui peut couper l'accès est rétabli d'après les copies.",
    ),
    "no-state": Text("Refused: the folder %s cannot be made.", "Refus : le dossier %s ne peut être créé."),
    "no-run": Text(
        "Refused: no run can be recorded in %s (disk full, read-only?).",
        "Refus : aucune exécution ne peut être consignée dans %s (disque plein, lecture seule ?).",
    ),
    "locked": Text("Another run holds the lock.", "Une autre exécution tient le verrou."),
}
