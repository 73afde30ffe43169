"""JPEGs of kinds that Pillow reads and does not write: `make_picture`, as libjpeg's own encoder stores it."""

import zlib
from base64 import b85decode

_FILES = {
    "arithmetic": (
        "c-s4a<NpH&0WUXCHwH#V1_nkTWcYuZ!I^=Xi3x;&fCY$HIapa)SXjB(+1WUFxOjNDxwyG``Gf>``2_j6xdp@o1cgOJMMZh|#"
        "U;c<B!omnML>oyG6VInuyV4pa*FVB^NNrR{-0zJ<X~!Ge89}8#K0uT$SlbC{|o~cgMa`lqktgm|62?^%#1(@W<dsfhW`u~-?"
        "kmL&z3wl?{!69`pg~AZ~t~PW63|SaWVPkvFU}kc10zNbEq9ZsGupZ^j(CpYtNQ5SD9I3!!})DW!5mhqBSjHtDaAK&yFuXT$S"
        "}pPtW{mbUBjkXzG`lNuC#HFJ;zmGPo&lr2kp^r|mrr`=2U5nsDa)R@?ZF1KTR>93(d!=XxX9xZ&~4-zIJ|%2q#Sv^pl!@m`-"
        "PJ1eU;z4*mp&daZ->NScLUQqk^uIOa2@bpqEmcuE9)4ZnNN-(^jUelovvv$fRC8sSX&YgP`w#+cFr{i^e1H&EeyAnSP^3#ML"
        "CbWd#;<taT`P+A%%gob-fqYRtLW{mUY@21lf2pl+t^cHXJGN~)m(`#+|IGBKx7*|kGMDh)VF=9LpRwG|hrzb{p7B=BMoG@+q"
        "8e_NTxVsIx<!x9-2PFV(fa;W?y3*>x*H9ACVkcSNb_AUvVPyEujS?*j`!C6+?pkH^-12HV7<M48yp$LyLGIl-Fm-!E$h7abI"
        "S|bvfpHVi@w?X(W`6425WKNMmM=xy*y2aO4*;W-v~1dDY~XGvG<bLVb&Yj=Qqsg|Ej;neeaXMWfGeOc~=Y0uc<%U{_9A;*rE"
        "9J{vR7fZcKc1BjnD<fB$a+0660Qh5"
    ),
    "progressive arithmetic": (
        "c-s4a<NpH&0WUXCHwH#V1_nkTWcYuZ!I^=Xi3x;&fCY$HIapa)SXjB(+1WUFxOjNDxwyG``Gf>``2_j6xdp@o1cgOJMMZh|#"
        "U;c<B!omnML>oyG6VInuyV4pa*FVB^NNrR{-0tH<X~!Ge89}8#K0uT$SlbC{|o~gg8-wz|62?^%!~|70?YzHXa8qde6RWLoL"
        "i@w&6PcV>FzM-5D`7*Q|eY%yzD=NyRr>$<F9y+fCRf4Ka!>HPv}2Caog$(l`=)`=3l$^>&O)*eZG6Q#N3q0-?U2kqKW#<;06"
        "2dMr{|n`eM39;`)_J(+zk2$Wxs7($J65ucx?+yUM7$OL~E_(?z)%N>3tROe{EbfB9U?>|f?8#>uY~__FmT<nl&U^*^3_eMzN"
        "r-oK?nFIZk^Y<OV4GTKU}irdEG`KxHY9=>K~zQn4q%Zq<6IB<A@+|(^EwLi1uI`1sK>#U@<j(IWrDVyYNuYXH_i<`fa|JBTn"
        "y>Dcr1mbwDCF8jwZe{M~%g}AlTjFrahTrEE8*i4n{*OPwuNMA09p9$%F~_!7Z_0kgJ~<yX=3>FNzJ~=CmYXBC2E;F0w54Qb)"
        "?ttK(g|N(Q|6_v=2f(tRB$Eq;nu5)OZY{j(iYA7nj0kLFy&ocNO1i9RnBh5-p(-<jdI!jaq+MJ4Ckb}*2gt0%DA=qZrh?cAD"
        ">E_<i|?4Et)&+ce+Vl26x+{c^~XrG9DI9oa$;jHS1W$)6Z&>t_}}bIWC@YEY|93x6w}oMjwj+D=_jnfXR)Km1!ABKoBCp%*b"
        "fZh%CSa7l3PFvu8pTV6<0U21^SJ%nS?+0{<DX!7K4=Hl5Z1BlB7J(PjU-{(?&CY_428s(Vy7vAWAHE}NAJK}&UPKA(pmTmPs"
        "`n0V0P^Dyx%Uq=-WI>ilWMUVh`5hQ?K;s6D10svFfWs("
    ),
    "4:1:1": (
        "c-s4a<NpH&0WUXCHwH#V1_nkTWcYuZ!I^=Xi3x;&fCY$HIapa)SXjB(+1WUFxOjNDxwyG``Gf>``2_j6xdp@o1cgOJMMZh|#"
        "U;c<B!omnML>oyG6VInuyV4pa*FVB^NNrR{vTiv<X~!Ge89};$iO7X$SlbC{|JLP(5WEDA^|o|cA$ia0IDbu07a#NYMGc(G_"
        "Z3pvvRVq0VS0LLB8fi*22un&f)0f;@a5MeDKiW|F;-;n1KceG7B=;GdyxoTKX5RlJ&)DzOAN9!i4ueVK}v{0Vd3$AQztM0OK"
        ")M8695hn<?7zzLLRc<pP*669@a$n*ng6;(9i`4vun7w7%!Svnm5F+{E~_ECkLIU#w$w<=VsuzwZ;6wPwME6&fmIr;a*m)KR0"
        "38g<mDqeyd<#R9%|HALZ`U(lY;^?Lo{O10?I6Ig8S!6gh_SP$1&z`5o-oHw_YUcb0!vhLFpOmg{f2?-^phx=sUT<JTCHxKQ4"
        "{o<bIv`<eM`OV?}<Pl^nxX%Yy$NNs;&BNHzFZn8`D~lM~XCHvqY#a?c^4k#=-FJ?%f_1xonNLdHvy;L3>;rhM#o`cSei&{%b"
        "9IZgMR;tj^hu+8F%62(KEOk?NkLEgA>4Szy@zDyXs_GX`($Rmo`b;W3b;)N1;lwjz>R0P_mJ<L==FHFPd?kHD{xfqflDNGaJ"
        "T&^7!APD02~d#(EuEo0a*Y4CICj#8}<"
    ),
    "4:4:0": (
        "c-s4a<NpH&0WUXCHwH#V1_nkTWcYuZ!I^=Xi3x;&fCY$HIapa)SXjB(+1WUFxOjNDxwyG``Gf>``2_j6xdp@o1cgOJMMZh|#"
        "U;c<B!omnML>oyG6VInuyV4pa*FVB^NNrR{vTiv<X~!Ge89{o#K0uT$SlbC{|JLP(5WEDA^|o|cA$ia0IDbu07WH%YMD{hvv"
        "6>-fi(zXYPiL~!^{Y@j9HMup5c-6sp(%B@BqdtRl^l{6|g963mG+G)PzwJMok#LCLCpJw{5_yV(+1O)_7I0adfvmJb+Jy^c~"
        "H|JMbxBNa)y+Co}4dQD=-gW7HW#&l&aqZvp@mM8K#"
    ),
}

RARE_JPEGS = {name: zlib.decompress(b85decode(text)) for name, text in _FILES.items()}
